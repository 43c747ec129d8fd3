/**
 * What the scripts of a site share. Each file of `site/assets` adds to `window.reportgen` the one member that has its
 * name (`image-filter.js`: `imageFilter`); `tsc` checks every file against this one. Nothing of this is published.
 */
interface Reportgen {
  constants: Constants;
  /** Called by every chunk of data, which is a script: decodes and stores it. */
  take(name: string, body: PackedChunk): void;

  dom: Dom;
  data: Data;
  shortcuts: Shortcuts;

  state: State;
  selection: ImageSelection;
  selectionBar(): void;
  selectionSteps(images: ImagesChunk, selection: Record<string, string>): void;
  csv: Csv;
  imageFigures: ImageFigures;
  imageFilter: ImageFilter;
  imageOrder: ImageOrder;
  imageFilterControls(images: ImagesChunk, actions: FilterActions): FilterControls;

  cam: Cam;
  boxes: Boxes;
  viewerLayers(data: ViewerData): ViewerLayer[];
  viewerControls(
    layers: ViewerLayer[],
    defaults: { threshold: number; opacity: number },
    zoomBy: (factor: number) => void,
  ): ViewerControls;
  viewerDrawing(viewer: HTMLElement, data: ViewerData): ViewerDrawing;
  viewerProbe(frame: HTMLElement, read: (x: number, y: number) => void, leave: () => void): void;
  viewerZoom(frame: HTMLElement, changed: () => void): ViewerZoom;

  shortImages: ShortImages;
  shortImageFigure(image: ShortImageData): ShortImageFigure;

  reviewStorage(images: ImagesChunk): ReviewStorage;
  reviewFiles(images: ImagesChunk, storage: ReviewStorage): ReviewFiles;
  reviewSettings(storage: ReviewStorage, files: ReviewFiles, changed: () => void): HTMLDetailsElement;
  reviewFigure(images: ImagesChunk, cams: CamsChunk): ReviewFigure;

  camera(surface: HTMLElement, actions: CameraActions): Camera;
  embeddingPositions(chunk: PlacesChunk): EmbeddingPositions;
  embeddingTransition(first: Layout, draw: () => void): EmbeddingTransition;
  embeddingColours(
    images: ImagesChunk,
    chunk: PlacesChunk,
    kept: Int8Array | undefined,
    neighbours: number,
  ): Colouring[];
  embeddingRegions(stage: HTMLElement, chunk: RegionsChunk): EmbeddingRegions;
  embeddingPanel(
    panel: HTMLElement,
    images: ImagesChunk,
    regions: RegionsChunk,
    choose: (region: number) => void,
  ): EmbeddingPanel;
  embeddingThumbnails(chunk: PlacesChunk): EmbeddingThumbnails;
  embeddingWebgl(count: number, side: number, atlases: number, requested: boolean): Renderer | null;
  embeddingCanvas(count: number, side: number, isMany: boolean): Renderer;
  embeddingStage(chunk: PlacesChunk, atlases: number): EmbeddingStage;
  embeddingDrawing(parts: DrawingParts): EmbeddingDrawing;
  embeddingPick(
    u: number,
    v: number,
    camera: Camera,
    sprites: Sprites,
    transition: EmbeddingTransition,
    matches: Uint8Array | null,
  ): number;
  embeddingLasso: EmbeddingLasso;
  embeddingSelection(
    images: ImagesChunk,
    regions: EmbeddingRegions,
    layouts: string[],
    layoutOf: (name: string) => Layout,
  ): EmbeddingSelection;
  embeddingDetails(parts: DetailsParts): Promise<EmbeddingDetails>;
  embeddingTooltip(stage: HTMLElement, surface: HTMLElement, images: ImagesChunk): EmbeddingTooltip;
  embeddingControls(chunk: PlacesChunk, actions: EmbeddingActions): EmbeddingControls;
  embeddingTable(holder: HTMLElement): EmbeddingTable;

  liveResize: LiveResize;
  livePixels: LivePixels;
  liveAnswer: LiveAnswer;
  /** Starts the network in a worker. progress: called with what is being done. */
  liveNetwork(live: LiveChunk, progress: (text: string) => void): Promise<LiveNetwork>;
  /** fill: the colour of what is occluded or empty, 0 to 255. */
  liveEdits(fill: number[]): LiveEdits;
  liveOcclusion(live: LiveChunk): LiveOcclusion;
  /** changed: called with the changes so far; isFinal: the pointer or the slider was released. */
  liveTools(live: LiveChunk, frame: HTMLElement, changed: (edits: Edits, isFinal: boolean) => void): LiveTools;
  liveFigure(live: LiveChunk): LiveFigure;
  /** The lines of the list of facts; k: the chosen class. */
  liveFacts(images: ImagesChunk, live: LiveChunk, image: LiveImage, result: LiveResult, k: number): HTMLElement[];
  /** The ten images with the nearest features. outputs: of the network; own: row of the image itself. */
  liveNearest(outputs: LiveOutputs, own: number | undefined): Nearest[];
  /** Shows the nearest images in a section. */
  liveNeighbours(
    section: HTMLElement,
    images: ImagesChunk,
    live: LiveChunk,
    result: LiveResult,
    nearest: Nearest[],
  ): void;
  livePlace(section: HTMLElement, images: ImagesChunk): LivePlace;
  /** number: a value with three digits. */
  liveLayerMaps: { number(value: number): string; of(chunk: LiveLayersChunk): LiveLayerMaps };
  liveUnit(images: ImagesChunk, live: LiveChunk, chunk: LiveLayersChunk, maps: LiveLayerMaps): LiveUnit;
  liveSections(images: ImagesChunk, live: LiveChunk, actions: LiveSectionActions): Promise<LiveSections>;
  /** changed: called when the reader chose another unit, or another layer: isOther. */
  liveLayers(
    section: HTMLElement,
    images: ImagesChunk,
    live: LiveChunk,
    changed: (isOther: boolean) => void,
  ): LiveLayers;
  /** Saves a picture with the most probable classes beneath it as a PNG file. */
  liveCard(picture: HTMLCanvasElement, name: string, live: LiveChunk, answer: Answer): void;
  /** Images of the report with their predictions; the one of the address first. */
  liveStored(images: ImagesChunk): HTMLElement;
  liveClasses(live: LiveChunk, choose: (k: number) => void): LiveClasses;
  liveSources(images: ImagesChunk, live: LiveChunk, actions: LiveSourceActions): LiveSources;
}

interface Window {
  reportgen: Reportgen;
}

/** Red, green and blue, 0 to 255. */
type Rgb = number[];
type Point = [number, number];
/** x0, y0, x1, y1 in pixels of an image. */
type Box = [number, number, number, number];
/** Rows of numbers. */
type Grid = number[][];
/** Of feature maps or filters: channels, height, width. */
type Shape = [number, number, number];

/** What Python and the scripts both know (`reportgen/gallery/core/browser_constants.py`). */
interface Constants {
  /** Width of an atlas of thumbnails in pixels, and its greatest height. */
  atlasSide: number;
  /** Colours at equal distances on the scale of magnitudes, as six hexadecimal digits. */
  inferno: string[];
  /** The same of signed values: blue below zero, nearly black at zero, orange above. */
  diverging: string[];
  /** Opacity of the highest value of an activation map. */
  overlayOpacity: number;
  /** Opacity rises this many times as fast as the value, up to its highest. */
  overlayRamp: number;
  /** Share of a map's maximum from which on its predicted box reaches. */
  threshold: number;
  /** Probabilities and IoU are whole numbers of which this many are 1; −1: none. */
  shareSteps: number;
  /** Coordinate of an image without a position; the others reach from 0 to one less. */
  noPosition: number;
  /** Outcome → path that is stroked and path that is filled in a frame of 12 × 12. */
  outcomeShapes: Record<string, [string, string]>;
  /** Files of photographs: side of a square in pixels, squares in a row and a column. */
  sheet: { tile: number; across: number };
  classColours: ClassColours;
  /** Version of a review's JSON export. */
  reviewFormat: number;
}

/** The first colours of classes, and the rule of the further ones: hue (0 to 1) turns by `turn` for each. */
interface ClassColours {
  distinct: string[];
  turn: number;
  lightness: number[];
  saturation: number;
}

// ---------------------------------------------------------------------------------------------------------- data

interface PackedChunk {
  columns: Record<string, [string, string]>;
  texts: Record<string, string>;
  /** URLs of the files of a chunk that is too large for one. */
  pieces?: string[];
  /** In such a file its number, and a part of the chunk's JSON. */
  piece?: number;
  text?: string;
  [key: string]: unknown;
}

interface Chunks {
  chunks: { urls: Record<string, string> };
  images: ImagesChunk;
  cams: CamsChunk;
  places: PlacesChunk;
  regions: RegionsChunk;
  matrix: MatrixChunk;
  search: SearchChunk;
  live: LiveChunk;
  "live-features": LiveFeatures;
  "live-layers": LiveLayersChunk;
  "live-runtime": { wasm: Uint8Array<ArrayBuffer>; glue: Uint8Array<ArrayBuffer> };
  [part: `live-network-${number}`]: { bytes: Uint8Array<ArrayBuffer> };
  [inputs: `live-inputs-${number}`]: { bytes: Uint8Array<ArrayBuffer>; ends: Uint32Array };
  [atlas: `atlas-${number}`]: { jpeg: string };
  [part: `image-${number}`]: ShortImagesChunk;
}

type Integers = Uint8Array | Int8Array | Int16Array | Int32Array;

/** A row for every image. */
interface ImagesChunk {
  n: number;
  /** Bits of an id that are the number of the chunk with an image without a full page. */
  short_bits: number;
  title: string;
  /** Digest of the network's weights: reviews of the same network fit together. */
  report: string;
  /** [key, text] in the order of `outcome`. */
  outcomes: [string, string][];
  /** [key, text] in the order of the bits of `flags`. */
  flag_names: [string, string][];
  /** [slug, headline] in rank order. */
  findings: [string, string][];
  /** Images of all findings, one after the other, and where those of each finding end. */
  finding_rows: Integers;
  finding_ends: Integers;
  /** Names of the slices; their images, one after the other, and where those of each slice end. */
  slices: string[];
  slice_rows: Integers;
  slice_ends: Integers;
  /** Names of the classes that occur, by their number. */
  classes: Record<string, string>;
  /** Further columns of the annotations; `range` of one of numbers. */
  table_columns: { name: string; groups: string[]; range: Point | null }[];
  /** Group of each image, −1 for an empty cell. */
  [column: `column_${number}`]: Integers;
  /** Position of each image's number in the range, in steps of `shareSteps`; −1 for an empty cell. */
  [value: `value_${number}`]: Integers;
  label: Integers;
  predicted: Integers;
  score: Integers;
  iou: Integers;
  flags: Integers;
  outcome: Integers;
  width: Integers;
  height: Integers;
  id: string[];
  name: string[];
  /** "" for a short page; `data.imagePage` makes its address. So are the pictures of these images. */
  page: string[];
  photo: string[];
  /** The photograph at the size of cards. */
  thumbnail: string[];
  layer: string[];
  /** Files with the photographs of images without a full page, in the order of the images. */
  sheet: string[];
  /** Of a multi-label data set: all labels of an image, and all predicted ones. */
  labels?: string[];
  predictions?: string[];
  /** Their numbers, those of all images one after the other, and where those of each image end. */
  label_sets?: Integers;
  label_ends?: Integers;
  prediction_sets?: Integers;
  prediction_ends?: Integers;
}

/** A photograph in a file of several: URL, x, y, width and height of the part, width and height of the file. */
type ImagePart = [string, number, number, number, number, number, number];

/** What a short page shows; texts are as on a full page (`components/short_images.py`). */
interface ShortImage {
  id: string;
  row: number;
  name: string;
  heading: string;
  /** Key and text. */
  outcome: [string, string];
  size: Point;
  photo: ImagePart;
  window: Box;
  scale: string;
  box_caption: string;
  predicted: Box | null;
  ground_truth: Box[];
  /** Column of its map, name, probability, role; the predicted class first. */
  classes: [number, string, string, string][];
  /** Name, value, URL or "". */
  facts: [string, string, string][];
  columns: [string, string][];
  /** URL, name, label, distance, relation of the labels, picture. */
  neighbours: [string, string, string, string, "" | "same" | "other", ImagePart][];
  /** URL and name of the images before and after it. */
  around: [[string, string] | null, [string, string] | null];
}

/** Activation maps in eight bits between their own least and largest value. */
interface Grids {
  shape: [number, number];
  grid: Uint8Array;
  low: Float32Array;
  high: Float32Array;
}

/** Images without a full page, with equally many maps each. */
interface ShortImagesChunk extends Grids {
  images: ShortImage[];
  /** Width and height of the network's input. */
  input: Point;
  /** Of a map; `{name}` stands for its class. */
  caption: string;
}

/** The activation map of the predicted class of every image with a full page. */
interface CamsChunk extends Grids {
  /** Width and height of the network's input. */
  input: Point;
  window: Float32Array;
  ground_truth: string[];
}

/** Positions of every image in the layouts of the embedding map; each layout is a column `(n, 2)` under its name. */
interface PlacesChunk {
  n: number;
  /** [name, label] */
  layouts: [string, string][];
  axes: Uint16Array;
  axes_explained: number[];
  /** Size of a cell of the layout `grid`, where the whole layout has size 1. */
  grid_cell: number;
  /** Side of a thumbnail in the atlases. */
  side: number;
  /** Images that have a thumbnail, if not all. */
  pictured?: Int32Array;
  agreement: Int16Array;
  hub: Int16Array;
  [layout: string]: unknown;
}

/** A region of the t-SNE map. Numbers are shares of 1 or of images. */
interface RegionEntry {
  /** Its name, or "" if no value stands out; and what the name says. */
  text: string;
  how: string;
  /** The smallest region around it, or -1. */
  parent: number;
  /** Whether its name is shown, by level of zoom. */
  shown: boolean[];
  images: number;
  /** Wrong classes, labelled images, and the bounds of the interval of the error. */
  errors: [number, number, number, number] | null;
  /** Where its name is drawn, by layout. */
  at: Record<string, Point>;
}

/** Regions, contours of the density of each layout, and how many neighbours of an image it keeps (`kept_<layout>`). */
interface RegionsChunk {
  entries: RegionEntry[];
  /** Paths in thousandths of the layout's side, from the outermost to the innermost. */
  contours: Record<string, string[]>;
  /** Whether images belong to groups, so that they are not independent. */
  grouped: boolean;
  /** Out of how many the neighbours kept are. */
  neighbours: number;
  /** The smallest region of every image, or -1. */
  region: Int16Array;
  [kept: string]: unknown;
}

interface MatrixChunk {
  row: Uint16Array;
  column: Uint16Array;
  count: Int32Array;
  class: Int32Array;
  name: string[];
}

interface SearchChunk {
  /** [label, URL, group] */
  pages: [string, string, string][];
  classes: [string, string][];
  /** [name, folder, number of units] */
  layers: [string, string, number][];
}

interface Data {
  /** Address of the site's root as seen from the page. */
  root: string;
  decodeBase64(text: string): Uint8Array<ArrayBuffer>;
  /** A chunk that is loaded. Throws for one that is not. */
  chunk<K extends keyof Chunks>(name: K): Chunks[K];
  has(name: keyof Chunks): boolean;
  drop(name: keyof Chunks): void;
  /** Loads a script of the site. Rejects when its file cannot be read. */
  loadScript(url: string): Promise<void>;
  /** Loads chunks by their names, through the chunk `chunks`; nothing where the site does not have them. */
  load(...names: (keyof Chunks)[]): Promise<void>;
  /** Loads those of some scripts that pages load on demand (`ON_DEMAND` in `assets.py`), such as `image-filter.js`. */
  loadScripts(...names: string[]): Promise<void>;
  /** Address of an image's page, from the site's root. */
  imagePage(images: ImagesChunk, i: number): string;
  /** Numbers of all labels of an image, or of all that are predicted for it. */
  classesOf(images: ImagesChunk, of: "label" | "prediction", i: number): number[];
}

// ------------------------------------------------------------------------------------------------------ every page

interface Dom {
  element<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    properties?: Partial<HTMLElementTagNameMap[K]>,
    ...children: (Node | string)[]
  ): HTMLElementTagNameMap[K];
  svg<K extends keyof SVGElementTagNameMap>(
    tag: K,
    attributes?: Record<string, string | number>,
    ...children: Node[]
  ): SVGElementTagNameMap[K];
  button(text: string, action: () => void, label?: string): HTMLButtonElement;
  /** A label around inputs and texts. */
  labelled(...children: (Node | string)[]): HTMLLabelElement;
  select(label: string, options: [string, string][]): HTMLSelectElement;
  setOptions(select: HTMLSelectElement, options: [string, string][]): void;
  /** Sets a select to a value, or to its option number `otherwise` where it has no such value. */
  setValue(select: HTMLSelectElement, value: string | undefined, otherwise?: number): void;
  checkbox(checked: boolean): HTMLInputElement;
  slider(min: number, max: number, value: number): HTMLInputElement;
  empty(text: string): HTMLParagraphElement;
  /** A table in a region that scrolls; columns from `firstNumber` on are numbers. */
  table(
    label: string,
    head: string[],
    rows: (Node | string)[][],
    firstNumber: number,
    className?: string,
  ): HTMLDivElement;
  byId(id: string): HTMLElement;
  find<E extends Element = HTMLElement>(within: ParentNode, selector: string): E;
  json(script: Element): any;
}

interface Shortcuts {
  /** Whether shortcuts of a single character are on. */
  enabled(): boolean;
  /** A checkbox that switches them. */
  toggle(): HTMLLabelElement;
  /** Calls what `actionOf` gives for a key that is pressed outside of text fields. */
  listen(actionOf: (key: string) => (() => void) | undefined): void;
}

type StateValues = Record<string, string | number | null | undefined>;

interface State {
  read(): Record<string, string>;
  /** Replaces the state in the address. */
  write(state: StateValues): void;
  /** The same as a step of its own, which the browser's "back" undoes. */
  push(state: StateValues): void;
  /** The address was edited, or "back" or "forward" went to another state. */
  onChange(act: () => void): void;
  /** A script of the page wrote another state. */
  onWrite(act: () => void): void;
  /** The text where it is a number, or else `otherwise`. */
  number(text: string | undefined, otherwise: number): number;
}

/** The selection of images that the address carries from page to page. */
interface ImageSelection {
  keys: string[];
  /** The part of a state that is a selection. */
  of(state: Record<string, string>): Record<string, string>;
  read(): Record<string, string>;
  /** What links carry instead of `read()`; null for that. */
  provide(make: () => Record<string, string> | null): void;
  /** A URL with the selection in its hash, unless it has one of its own. */
  link(url: string): string;
}

interface Csv {
  format(header: string[], rows: (string | number)[][]): string;
  download(name: string, text: string, type: string): void;
  downloadImages(name: string, images: ImagesChunk, rows: number[]): void;
}

// ---------------------------------------------------------------------------------------------------------- images

interface ImageFigures {
  /** Position of an image among those with a full page; of another, −1 − its position among those without. */
  place(images: ImagesChunk, i: number): number;
  /** The photograph of an image without a full page, or null. */
  part(images: ImagesChunk, i: number): ImagePart | null;
  /** Such a photograph, loaded when it comes into view. */
  cut(part: ImagePart, alt: string): SVGSVGElement;
  chip(outcome: string, text: string): HTMLElement;
  outcomeChip(images: ImagesChunk, i: number): HTMLElement;
  /** The photograph, with its activation map unless `plain`. */
  picture(images: ImagesChunk, i: number, plain?: boolean): HTMLElement;
  link(images: ImagesChunk, i: number, ...children: (Node | string)[]): HTMLAnchorElement;
  className(images: ImagesChunk, k: number): string;
  labelText(images: ImagesChunk, i: number): string;
  /** The predicted class, or all predicted labels. */
  predictionText(images: ImagesChunk, i: number): string;
  /** Name of the label, or of the prediction where there is no label. */
  title(images: ImagesChunk, i: number): string;
  /** `predicted: tabby, 0.53`; of several labels, the most probable one, too. */
  prediction(images: ImagesChunk, i: number): string;
  /** Whether the class, or one of several labels, is wrong; null if they are not known. */
  isWrong(images: ImagesChunk, i: number): boolean | null;
  /** What figures are called with one label an image, or with several. */
  words(images: ImagesChunk): FigureWords;
  /** `0.53`, or a dash where there is none. */
  share(value: number): string;
  /** `1,000` */
  count(value: number): string;
}

interface FigureWords {
  /** `images.predicted`, and its probability `images.score`. */
  predicted: string;
  score: string;
  /** The same in the head of a table. */
  scoreColumn: string;
  wrong: string;
  /** Images whose labels are known, and a sentence if none are. */
  labelled: string;
  unlabelled: string;
  /** `agreement` of the chunk of places. */
  agreement: string;
}

interface ImageFilter {
  /** A state without the values that are no valid filter. */
  clean(images: ImagesChunk, state: Record<string, string>): Record<string, string>;
  /** Rows that pass the filters of a state, but for the one named `without`. */
  select(images: ImagesChunk, state: Record<string, string>, without?: string): number[];
  /** A selection of chosen rows: by their ids, or, of very many, as bits. */
  chosen(images: ImagesChunk, rows: number[]): { ids: string } | { rows: string };
  /** `wrong class · label tabby` */
  describe(images: ImagesChunk, state: Record<string, string>): string;
  /** Names in lower case, made once. */
  lowerNames(images: ImagesChunk): string[];
  /** Chosen groups of each further column in the text of the filter `column`. */
  columnGroups(text: string | undefined): Map<number, number[]>;
}

interface ImageOrder {
  sorted(images: ImagesChunk, rows: number[], order: string | undefined): number[];
  isOrder(text: string): boolean;
}

interface FilterActions {
  /** isStep: whether the browser's "back" undoes this change alone. */
  set(key: string, value: string, isStep?: boolean): void;
  clear(): void;
  exportCsv(): void;
}

interface FilterControls {
  elements: HTMLElement[];
  search: HTMLInputElement;
  count: HTMLOutputElement;
  clear: HTMLButtonElement;
  exportCsv: HTMLButtonElement;
  review: HTMLAnchorElement;
  /** Shows the values of a state in the controls. */
  fill(state: Record<string, string>): void;
  /** Shows how many of these rows have each outcome, and which outcomes are chosen. */
  showOutcomes(rows: number[], chosen: Set<string>): void;
}

// ---------------------------------------------------------------------------------------------------- activation maps

interface Cam {
  /** Colours of a share in [0, 1] of the scale of magnitudes, and of that of signed values, where 0.5 is zero. */
  colour(share: number): Rgb;
  signedColour(share: number): Rgb;
  /** The value at x, y in [0, 1] of the network's input: bilinear, half-pixel centres, clamped at the edges. */
  valueAt(grid: Grid, x: number, y: number): number;
  /** The largest value. */
  maximum(...grids: Grid[]): number;
  enlarge(grid: Grid, input: Point): EnlargedCam;
  draw(canvas: HTMLCanvasElement, grid: Grid, top: number, opacity: number, window: Box, size: Point): void;
}

/** An activation map at the resolution of the network's input, row by row. */
interface EnlargedCam {
  values: Float64Array;
  width: number;
  height: number;
  peak: number;
}

interface Boxes {
  /** The box of a map's largest region above a share of its maximum, in pixels of the image; null without one. */
  predicted(cam: EnlargedCam, threshold: number, window: Box, size: Point): Box | null;
  iou(a: Box, b: Box): number;
  svg(size: Point): SVGSVGElement;
  rect(className: string, box: Box): SVGRectElement;
}

interface ViewerData {
  size: Point;
  window: Box;
  input: Point;
  threshold: number;
  unit: string;
  ground_truth: Box[];
  cams: { name: string; caption: string; grid: Grid }[];
}

interface ViewerLayer {
  name: string;
  /** Heading of its group in the list of layers. */
  group: string;
  caption: string;
  /** The numbers of an activation map, which the browser draws; or else a picture. */
  grid: Grid | null;
  picture: HTMLElement | null;
  /** What is read at x, y in [0, 1] of the network's input. */
  valueAt(x: number, y: number): string;
}

/** The numbers behind the pictures of a section (`components/grid_values.py`). */
interface Cells {
  x: number[];
  y: number[];
  layers: { values?: number[]; names?: string[]; codes?: string; top?: number; decade?: number }[];
}

interface ViewerControls {
  tools: HTMLElement[];
  help: HTMLElement;
  toggleHelp(): void;
  layer: HTMLSelectElement;
  opacity: HTMLInputElement;
  threshold: HTMLInputElement;
  percent: HTMLOutputElement;
  boxes: HTMLInputElement;
  normalize: HTMLInputElement;
  reading: HTMLOutputElement;
}

interface ViewerSettings {
  /** In [0, 1]. */
  opacity: number;
  threshold: number;
  showBoxes: boolean;
  normalize: boolean;
  /** Whether layer and threshold are those of the predicted box that the page has. */
  isStoredBox: boolean;
}

interface ViewerDrawing {
  frame: HTMLElement;
  /** Shows a layer; returns what to say of the preview of its predicted box, if there is one. */
  show(layer: ViewerLayer, settings: ViewerSettings): string;
}

interface ViewerZoom {
  level: number;
  set(level: number): void;
}

// ---------------------------------------------------------------------------------------------------------- review

interface ReviewItem {
  tags: string[];
  note: string;
  name?: string;
  time?: number;
  /** Whose it is, if it was imported. */
  by?: string;
  exported?: boolean;
}

interface ReviewStorage {
  /** advance: whether a tag leads to the next image. */
  saved: { tags: string[]; reviewer: string; advance: boolean; items: Map<string, ReviewItem> };
  item(id: string): ReviewItem;
  /** Changes the tags or the note of image i. */
  edit(i: number, change: { tags?: string[]; note?: string }, canUndo?: boolean): void;
  change(act: () => void): void;
  put(items: [string, ReviewItem][]): void;
  /** Takes the last change back; returns the ids of the images that it was about. */
  undo(): string[];
  /** Reads again what is stored: another tab may have written. */
  read(): void;
  /** Items with a tag or a note of images that are in the report. */
  reviewed(): [string, ReviewItem][];
  isOwn(item: ReviewItem): boolean;
  isValid(item: unknown): boolean;
  isEmpty(item: ReviewItem): boolean;
  hasImage(id: string): boolean;
  notExported(): number;
  isStored(): boolean;
}

interface ReviewFiles {
  save(format: "json" | "csv"): void;
  /** Takes over what is newer, and returns what to say of it. Throws for a file that is no review of this report. */
  load(text: string): string;
}

/** first: position of the image's first map in the chunk. */
interface ShortImageData {
  about: ShortImage;
  chunk: ShortImagesChunk;
  first: number;
}

interface ShortImages {
  /** Rejects for an id that the report does not have. */
  load(id: string, bits: number): Promise<ShortImageData>;
  /** Map k of a chunk. */
  grid(chunk: Grids, k: number): Grid;
}

interface ShortImageFigure {
  figure: HTMLElement;
  /** Shows the map in a column. */
  show(column: number): void;
  /** A small picture of it. */
  small(column: number): HTMLElement;
}

interface ReviewFigure {
  frame: HTMLElement;
  controls: HTMLElement;
  threshold: HTMLInputElement;
  cam: HTMLInputElement;
  boxes: HTMLInputElement;
  show(i: number): Promise<void>;
  /** Loads the photograph of an image that is shown next, if there is one. */
  preload(i: number | undefined): void;
  /** What the address holds of the figure. */
  viewState(): Record<string, string>;
}

// -------------------------------------------------------------------------------------------------- embedding map

interface CameraActions {
  moved(): void;
  hover?(u: number | null, v?: number): void;
  tap?(u: number, v: number): void;
  /** Called with the line while it is drawn, and with null at its end. */
  drawing?(line: Point[] | null): void;
  lasso?(line: Point[]): void;
  /** Keys: Enter, Escape and space. */
  enter?(): void;
  escape?(): void;
  space?(): void;
}

/**
 * x, y: the position in the middle of the surface, in the unit square; extent: how much of the square, around its
 * middle, is used; at zoom 1 all of that is in view. u, v: CSS pixels of the surface.
 */
interface Camera {
  x: number;
  y: number;
  zoom: number;
  extent: Point;
  /** What a drag draws: `lasso`, `box`, or "" if it moves the map. */
  tool: string;
  /** CSS pixels that the unit square is wide. */
  scale(): number;
  toMap(u: number, v: number): Point;
  toScreen(x: number, y: number): Point;
  zoomAt(factor: number, u?: number, v?: number): void;
  pan(du: number, dv: number): void;
  fit(): void;
}

/** Positions of all images in the unit square, x and y in turn, NaN for none. cell: size of a grid's cell, or 0. */
interface Layout {
  xy: Float32Array;
  extent: Point;
  cell: number;
}

interface EmbeddingPositions {
  names: string[];
  /** x, y: axes of the PCA, from 0. */
  of(name: string, x?: number, y?: number): Layout;
}

interface EmbeddingTransition {
  /** Positions at the start of the way, and the layout at its end. */
  from: Float32Array;
  to: Layout;
  isDone(): boolean;
  /** Progress from 0 to 1, slow at both ends. */
  progress(): number;
  extent(): Point;
  xy(): Float32Array;
  /** Begins the way to another layout; false where it is the same. */
  start(layout: Layout): boolean;
}

/** Colour, text and, where it filters, the value of its filter. */
type Legend = [Rgb, string, string?][];

/** filter: the key of the state that the legend sets. */
interface Colours {
  of(i: number): Rgb;
  legend: Legend;
  more?: number;
  filter?: string;
}

interface Colouring {
  key: string;
  label: string;
  make(): Colours;
}

/** Thumbnails that are drawn: image, slot in the atlases, position, that of its dot, and colour of its frame. */
interface Sprites {
  count: number;
  size: number;
  image: Int32Array;
  slot: Int32Array;
  xy: Float32Array;
  dots: Float32Array;
  colour: Uint8Array;
}

interface View {
  width: number;
  height: number;
  /** Device pixels for a CSS pixel. */
  ratio: number;
  x: number;
  y: number;
  scale: number;
}

interface EmbeddingThumbnails {
  sprites: Sprites;
  /** Notes that an atlas can be drawn. */
  add(atlas: number): void;
  choose(
    view: View,
    zoom: number,
    transition: EmbeddingTransition,
    colours: Uint8Array,
    matches: Uint8Array | null,
  ): void;
}

interface Renderer {
  name: string;
  canvas: HTMLCanvasElement;
  move(from: Float32Array, to: Float32Array): void;
  paint(colours: Uint8Array): void;
  addAtlas(k: number, image: HTMLImageElement): boolean;
  draw(view: View, progress: number, dot: number, sprites: Sprites): void;
}

interface EmbeddingStage {
  stage: HTMLElement;
  surface: HTMLCanvasElement;
  shading: HTMLCanvasElement;
  renderer: Renderer;
  ratio(): number;
}

interface DrawingParts extends EmbeddingStage {
  camera: Camera;
  transition: EmbeddingTransition;
  thumbnails: EmbeddingThumbnails;
  colours: Uint8Array;
  /** The images that pass the filters, or null for all; and the line of a lasso, if there is one. */
  matches(): Uint8Array | null;
  line(): Point[] | null;
  /** Lines of equal density of the layout. */
  contours(): Path2D[];
  /** Draws the names of regions, so many CSS pixels above their positions. */
  names(lift: number): void;
}

interface EmbeddingDrawing {
  /** Draws in the next frame; while the map moves, the last picture is moved along. */
  show(): void;
  /** Draws in the next frame, from the data. */
  redraw(): void;
}

interface EmbeddingLasso {
  format(layout: string, line: Point[]): string;
  parse(text: string | undefined): { layout: string; points: Point[] } | null;
  contains(points: Point[], x: number, y: number): boolean;
  /** The corners of a box between two of them. */
  box(one: Point, other: Point): Point[];
}

interface EmbeddingRegions {
  /** Draws the names that fit, above their positions. layout: "" for none; chosen: the selected region, or -1. */
  draw(camera: Camera, layout: string, lift: number, chosen: number): void;
  /** The region whose name is there, or -1. */
  at(u: number, v: number): number;
  /** Tells whether an image is in a region. */
  contains(region: number): (i: number) => boolean;
  contours: Record<string, Path2D[]>;
}

interface EmbeddingPanel {
  /** region: the selected one, or -1. */
  show(rows: number[], isFiltered: boolean, region: number): void;
}

interface EmbeddingTooltip {
  show(i: number, u?: number, v?: number): void;
}

interface EmbeddingSelection {
  /** The state without a selection. */
  none: Record<string, string>;
  isMade(state: Record<string, string>): boolean;
  /** Whether a change of the state concerns the selection. */
  isPart(change: Record<string, string>): boolean;
  /** The selected region, or -1. */
  region(state: Record<string, string>): number;
  rows(state: Record<string, string>): number[];
}

interface DetailsParts {
  chunk: PlacesChunk;
  urls: Record<string, string[]>;
  stage: HTMLElement;
  surface: HTMLElement;
  panel: HTMLElement;
  list: HTMLElement;
  chooseRegion(region: number): void;
  layoutOf(name: string): Layout;
}

interface EmbeddingDetails {
  images: ImagesChunk;
  regions: EmbeddingRegions;
  selection: EmbeddingSelection;
  panel: EmbeddingPanel;
  table: EmbeddingTable;
  tooltip: EmbeddingTooltip;
  colourings(layout: string): Colouring[];
}

interface EmbeddingActions {
  set(change: Record<string, string>): void;
  clear(): void;
  /** Switches a tool on or off; returns the one that is on, or "". */
  tool(tool: string): string;
  selectVisible(): void;
  exportCsv(): void;
  zoomIn(): void;
  zoomOut(): void;
  fit(): void;
}

interface EmbeddingControls {
  layoutControls: HTMLElement;
  filterControls: HTMLElement;
  legend: HTMLElement;
  togglePlay(): void;
  /** Offers what the images can be filtered and coloured by. */
  offer(images: ImagesChunk, colourings: Colouring[]): void;
  fill(state: Record<string, string>): void;
  showCount(count: number, isFiltered: boolean): void;
  /** state: which entries are chosen. */
  showLegend(colours: Colours, state: Record<string, string>): void;
}

interface EmbeddingTable {
  show(rows: number[]): void;
  exportCsv(): void;
}

// ------------------------------------------------------------------------------------------------------------- live

/** Rows of pixels, their channels (3 or 1) side by side. */
interface Pixels {
  data: Uint8ClampedArray;
  width: number;
  height: number;
  channels: number;
}

/** How an image becomes the network's input (`audit/live_network.py`). */
interface LivePreprocessing {
  channels: number;
  height: number;
  width: number;
  mean: number[];
  std: number[];
  resize: string;
  /** Height and width. */
  resized: Point;
  squash: boolean;
  crop_offset: string;
  interpolation: string;
  /** Whether Pillow scales the height first where it shrinks by more than twice as many pixels as the width. */
  height_first: boolean;
  max_side: number;
}

interface LiveChunk {
  classes: string[];
  /** Images whose inputs can be loaded. */
  rows: Int32Array;
  /** Of every image: the part that the network sees, and its width and height. */
  windows: Float32Array;
  sizes: Int32Array;
  graph_size: number;
  /** Where the head's weights begin in the network's bytes; null where there are no exact activation maps. */
  weights: number | null;
  /** Whether they are stored as float16 instead of float32. */
  is_half: boolean;
  network_parts: number;
  per_chunk: number;
  feature_shape: Shape;
  /** Whether the network takes one image and a class, and its output `alpha` has the weights of Grad-CAM for it. */
  has_gradient: boolean;
  /** Number of recorded layers. */
  layers: number;
  /** The occluding square: its side and the distance of its places in pixels of the input; its colour, RGB in [0, 1]. */
  occlusion: { side: number; stride: number; fill: number[] };
  /** Why there is no activation map, if there is none. */
  no_map: string;
  preprocessing: LivePreprocessing;
}

/** Features of the report's images (`embedding/compressed_rows.py`). */
interface LiveFeatures {
  mean: Float32Array;
  axes: Float32Array;
  steps: Float32Array;
  values: Int8Array;
  index: Int32Array;
  /** The network's output that they come from, and how its maps become features: "", `mean` or `max`. */
  output: string;
  pooled: string;
}

interface LiveLayer {
  name: string;
  /** The network's output with its values. */
  output: string;
  shape: Shape;
  /** Folder of the units' pages. */
  folder: string;
  field: string;
  /** Whether receptive fields are those that were measured. */
  is_effective: boolean;
  stride: string;
  parameters: number;
  new_parameters: number;
}

/** The recorded layers; in the columns those of all layers one after the other (`components/live_layers.py`). */
interface LiveLayersChunk {
  layers: LiveLayer[];
  /** Of every unit: mean and standard deviation of its largest value over the images that `baseline` names. */
  mean: Float32Array;
  deviation: Float32Array;
  baseline: string;
  /** So many top patches a unit: their images, −1 for none, and left and upper edge and side in pixels of the image. */
  patches: number;
  patch_image: Int32Array;
  patch_crop: Float32Array;
  /** Receptive fields of every row, and of every column: first and last pixel of the input. */
  down: Float32Array;
  across: Float32Array;
  /** The layer whose units are the responses of the first convolution's filters, or "", and their shape. */
  filters_of: string;
  filters: Float32Array;
  filter_shape: Shape;
  dead_range: number;
  signed_share: number;
}

interface LiveLayerMaps {
  /** The map of unit u. */
  gridOf(values: Float32Array, u: number, shape: Shape): Grid;
  /** The largest value of each unit. */
  maxima(values: Float32Array, shape: Shape): Float32Array;
  /** Units by how many standard deviations their largest value is above its mean. */
  strongest(largest: Float32Array, mean: Float32Array, deviation: Float32Array, count: number): Scored[];
  /** Draws the maps of all units on one scale, one cell apart; returns the scale. */
  drawTiles(
    canvas: HTMLCanvasElement,
    values: Float32Array,
    shape: Shape,
    columns: number,
  ): { low: number; top: number; isSigned: boolean };
  /** Draws a picture with a map over it, from 0 to the map's maximum. */
  drawOver(canvas: HTMLCanvasElement, photo: HTMLCanvasElement, grid: Grid): void;
  drawFilter(canvas: HTMLCanvasElement, u: number): void;
}

/** A unit with its largest value, and how many standard deviations that is above its mean. */
interface Scored {
  u: number;
  value: number;
  above: number;
  score: number;
}

/** starts: where the layer's units, rows and columns begin in the columns of the chunk. */
interface LiveUnitShown {
  u: number;
  grid: Grid;
  layer: LiveLayer;
  starts: Shape;
}

interface LiveUnit {
  elements: HTMLElement[];
  show(shown: LiveUnitShown, photo: HTMLCanvasElement, aspect: number): void;
}

interface LiveSectionActions {
  /** The reader chose another unit or, isOther, another layer, whose values the network must compute. */
  changed(isOther: boolean): void;
  fail(error: unknown): void;
}

interface LiveSections {
  elements: HTMLElement[];
  /** The outputs of the network that they show. */
  outputs(): string[];
  show(result: LiveResult, image: LiveImage, isOriginal: boolean): void;
  toState(): StateValues;
  fromState(state: Record<string, string>): Promise<void>;
}

interface LiveLayers {
  /** The output of the network that is shown. */
  output(): string;
  /** area: the part of the image that the network sees. */
  show(result: LiveResult, area: Box): void;
  toState(): StateValues;
  fromState(state: Record<string, string>): void;
}

interface Nearest {
  row: number;
  distance: number;
}

/** Marks the place of an image; own: its row, if it is an image of the map. */
type LivePlace = (nearest: Nearest[], own: number | undefined) => void;

interface LiveResize {
  resize(image: Pixels, size: Point, how: { interpolation: string; height_first: boolean }, box?: Box): Pixels;
  /** The part of an image of this size that the network sees. */
  window(size: Point, how: LivePreprocessing): Box;
  input(image: Pixels, how: LivePreprocessing): Pixels;
}

/** The network's input, the part of the image that it shows, and the image's size. */
interface LiveInput {
  pixels: Pixels;
  window: Box;
  size: Point;
}

interface LiveImage extends LiveInput {
  name: string;
  /** Of an image of the report. */
  row?: number;
  /** Of a camera: another image follows at once. */
  isMoving?: boolean;
}

interface LivePixels {
  read(source: CanvasImageSource, size: Point, channels: number): Pixels;
  decode(file: Blob, channels: number): Promise<Pixels>;
  input(image: Pixels, how: LivePreprocessing): LiveInput;
  /** Writes the planes of an image into an array of several, at an offset, or into a new one. */
  normalize(
    image: Pixels,
    how: LivePreprocessing,
    into?: Float32Array<ArrayBuffer>,
    offset?: number,
  ): Float32Array<ArrayBuffer>;
  draw(canvas: HTMLCanvasElement, image: Pixels): void;
}

/** Values of the network's outputs by their names: `logits`, `features`, `maps` and those of layers. */
type LiveOutputs = Record<string, Float32Array>;

/** Of every class; order: from the most probable class on. */
interface Answer {
  logits: Float32Array;
  scores: Float64Array;
  order: number[];
}

/** What the network computed for a picture. of: the image, where the picture is without changes. */
interface LiveResult {
  pixels: Pixels;
  answer: Answer;
  outputs: LiveOutputs;
  /** The class of `alpha`. */
  k: number;
  milliseconds: number;
  of?: LiveImage;
}

interface LiveAnswer {
  /** wanted: outputs besides those that the page always needs; k: class of Grad-CAM, −1 for the predicted one. */
  run(network: LiveNetwork, live: LiveChunk, pixels: Pixels, wanted: string[], k: number): Promise<LiveResult>;
  /** Whether a result has these outputs and that class. */
  has(result: LiveResult, live: LiveChunk, wanted: string[], k: number): boolean;
  classify(logits: Float32Array): Answer;
  /** Of class k; weights: of the head; null without them and without Grad-CAM's. */
  activationMap(outputs: LiveOutputs, weights: Float32Array | null, k: number, live: LiveChunk): Grid | null;
}

interface LiveNetwork {
  /** Of the head, one row a class; null where there are no exact activation maps. */
  weights: Float32Array | null;
  /**
   * images: normalized, one after the other; the array is moved to the worker; k: the class of `alpha`, −1 for the
   * predicted one. Returns outputs by their names.
   */
  run(images: Float32Array<ArrayBuffer>, outputs: string[], k?: number): Promise<LiveOutputs>;
}

interface LiveFigure {
  element: HTMLElement;
  frame: HTMLElement;
  showImage(pixels: Pixels, window: Box, name: string): void;
  /** The activation map of a class by its name, or null without one; other: a map that is shown on the same scale. */
  showMap(grid: Grid | null, name: string, isOriginal: boolean, other?: Grid | null): void;
  /** name: of the class. */
  showOcclusion(occlusion: LiveOcclusion, drops: Grid, name: string): void;
  /** What is shown, so many pixels wide. */
  picture(width: number): HTMLCanvasElement;
}

/** Changes of an image, in pixels of the network's input, in the order of their use from `shift` to `square`. */
interface Edits {
  /** Left and upper edge and side. */
  square: [number, number, number] | null;
  /** Centres and radii. */
  erased: [number, number, number][];
  shift: Point;
  /** Per cent. */
  zoom: number;
  /** Degrees. */
  turn: number;
  /** Per cent. */
  bright: number;
  /** Standard deviation. */
  blur: number;
}

interface LiveEdits {
  none(): Edits;
  isNone(edits: Edits): boolean;
  apply(original: Pixels, edits: Edits): Pixels;
  toState(edits: Edits): StateValues;
  fromState(state: Record<string, string>): Edits;
  /** The changes that are one number: name, least and greatest value. */
  numbers: ["zoom" | "turn" | "bright" | "blur", number, number][];
}

interface LiveTools {
  element: HTMLElement;
  buttons: HTMLButtonElement[];
  editor: LiveEdits;
  start(edits: Edits): void;
}

interface LiveOcclusion {
  rows: number[];
  columns: number[];
  /**
   * image: normalized; clean: the probability of class k. progress: called with the drops so far and how many of how
   * many places are computed; returns whether to go on.
   */
  run(
    network: LiveNetwork,
    image: Float32Array,
    k: number,
    clean: number,
    progress: (drops: Grid, done: number, total: number) => boolean,
  ): Promise<void>;
  /** Draws the drops over the whole canvas, and returns the greatest magnitude. */
  draw(canvas: HTMLCanvasElement, drops: Grid): number;
}

interface LiveClasses {
  elements: HTMLElement[];
  /** before: of the image without changes. */
  show(answer: Answer, chosen: number, before?: Answer): void;
}

interface LiveSourceActions {
  open(image: LiveImage): Promise<void>;
  fail(text: string): void;
}

interface LiveSources {
  elements: HTMLElement[];
  rows: number[];
  openRow(row: number): Promise<void>;
  /** Marks an image of the report as the open one. */
  mark(row: number | undefined): void;
  stop(): void;
}
