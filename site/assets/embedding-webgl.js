/* Draws the embedding map with WebGL2: all images as dots in one call, thumbnails as squares that take their pixels
   from an array of atlases. */
window.reportgen.embeddingWebgl = (count, side, atlases, requested) => {
  "use strict";
  const { atlasSide } = window.reportgen.constants;
  const BORDER = 1.5; // CSS pixels
  const DOTS = {
    vertex: `#version 300 es
      in vec2 from, to; in vec4 colour; uniform vec4 view; uniform float progress, size; out vec4 tint;
      void main() {
        vec4 position = vec4((mix(from, to, progress) - view.xy) * view.zw, 0.0, 1.0);
        gl_Position = colour.a == 0.0 ? vec4(2.0, 2.0, 2.0, 1.0) : position;
        gl_PointSize = size; tint = colour;
      }`,
    fragment: `#version 300 es
      precision mediump float; in vec4 tint; out vec4 pixel;
      void main() {
        vec2 p = gl_PointCoord * 2.0 - 1.0;
        if (dot(p, p) > 1.0) discard;
        pixel = vec4(tint.rgb * tint.a, tint.a);
      }`,
  };
  const THUMBNAILS = {
    vertex: `#version 300 es
      in vec2 position; in float slot; in vec4 colour; uniform vec4 view; uniform vec2 size;
      out vec2 inside; out vec4 tint; flat out float which;
      void main() {
        inside = vec2(gl_VertexID & 1, gl_VertexID >> 1);
        gl_Position = vec4((position - view.xy) * view.zw + (inside - 0.5) * size * vec2(1.0, -1.0), 0.0, 1.0);
        which = slot; tint = colour;
      }`,
    fragment: `#version 300 es
      precision highp float; precision highp sampler2DArray;
      in vec2 inside; in vec4 tint; flat in float which; out vec4 pixel;
      uniform sampler2DArray atlas; uniform float across, side, border;
      void main() {
        vec2 edge = min(inside, 1.0 - inside);
        if (min(edge.x, edge.y) < border) { pixel = vec4(tint.rgb, 1.0); return; }
        float each = across * across, sheet = floor(which / each), k = which - sheet * each;
        vec2 corner = vec2(mod(k, across), floor(k / across)) * side;
        vec2 place = (corner + clamp(inside * side, 0.5, side - 0.5)) / ${atlasSide}.0;
        pixel = vec4(texture(atlas, vec3(place, sheet)).rgb, 1.0);
      }`,
  };

  const canvas = document.createElement("canvas");
  const options = { antialias: false, premultipliedAlpha: true, failIfMajorPerformanceCaveat: !requested };
  const context = /** @type {WebGL2RenderingContext | null} */ (canvas.getContext("webgl2", options));
  if (!context) return null;
  const gl = context;
  const isSoftware = () => {
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    const name = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  };
  // Without a graphics processor, WebGL has half the speed of the 2-D canvas.
  if (!requested && isSoftware()) return null;
  if (gl.getParameter(gl.MAX_TEXTURE_SIZE) < atlasSide) return null;
  const layers = Math.min(atlases, gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS));

  /** @param {{ vertex: string, fragment: string }} sources */
  const link = ({ vertex, fragment }) => {
    const program = gl.createProgram();
    for (const [type, source] of /** @type {[number, string][]} */ ([
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
    ])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(type));
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    return program;
  };
  /** @param {WebGLProgram} program @param {string} name */
  const uniform = (program, name) => gl.getUniformLocation(program, name);
  /**
   * Binds an attribute to a new buffer; returns what fills the buffer.
   * @param {WebGLProgram} program
   * @param {string} name
   * @param {number} size - numbers for each vertex
   * @param {number} type
   * @param {number} divisor - 1: one value for each instance
   */
  const attribute = (program, name, size, type, divisor) => {
    const buffer = gl.createBuffer();
    const location = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, type, type === gl.UNSIGNED_BYTE, 0, 0);
    gl.vertexAttribDivisor(location, divisor);
    /** @param {Float32Array | Uint8Array} data */
    return (data) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
    };
  };
  const dots = link(DOTS);
  const dotArray = gl.createVertexArray();
  gl.bindVertexArray(dotArray);
  const setFrom = attribute(dots, "from", 2, gl.FLOAT, 0);
  const setTo = attribute(dots, "to", 2, gl.FLOAT, 0);
  const setColours = attribute(dots, "colour", 4, gl.UNSIGNED_BYTE, 0);
  setColours(new Uint8Array(4 * count));
  const thumbnails = link(THUMBNAILS);
  const thumbnailArray = gl.createVertexArray();
  gl.bindVertexArray(thumbnailArray);
  const setPositions = attribute(thumbnails, "position", 2, gl.FLOAT, 1);
  const setSlots = attribute(thumbnails, "slot", 1, gl.FLOAT, 1);
  const setFrames = attribute(thumbnails, "colour", 4, gl.UNSIGNED_BYTE, 1);

  gl.bindTexture(gl.TEXTURE_2D_ARRAY, gl.createTexture());
  if (layers) gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA8, atlasSide, atlasSide, layers);
  gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.LINEAR); // there are no smaller copies
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

  /** @type {Renderer["draw"]} */
  const draw = ({ width, height, ratio, x, y, scale }, progress, dot, sprites) => {
    const view = [x, y, (2 * scale) / width, (-2 * scale) / height];
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(dots);
    gl.bindVertexArray(dotArray);
    gl.uniform4fv(uniform(dots, "view"), view);
    gl.uniform1f(uniform(dots, "progress"), progress);
    gl.uniform1f(uniform(dots, "size"), dot * ratio);
    gl.drawArrays(gl.POINTS, 0, count);
    if (!sprites.count) return;
    gl.useProgram(thumbnails);
    gl.bindVertexArray(thumbnailArray);
    setPositions(sprites.xy.subarray(0, 2 * sprites.count));
    setSlots(Float32Array.from(sprites.slot.subarray(0, sprites.count)));
    setFrames(sprites.colour.subarray(0, 4 * sprites.count));
    gl.uniform4fv(uniform(thumbnails, "view"), view);
    gl.uniform2f(uniform(thumbnails, "size"), (2 * sprites.size) / width, (2 * sprites.size) / height);
    gl.uniform1f(uniform(thumbnails, "across"), atlasSide / side);
    gl.uniform1f(uniform(thumbnails, "side"), side);
    gl.uniform1f(uniform(thumbnails, "border"), BORDER / sprites.size);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, sprites.count);
  };

  return {
    name: "WebGL2",
    canvas,
    move: (from, to) => {
      setFrom(from);
      setTo(to);
    },
    paint: setColours,
    addAtlas: (k, image) => {
      if (k >= layers) return false;
      const { width, height } = image;
      gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, k, width, height, 1, gl.RGBA, gl.UNSIGNED_BYTE, image);
      return true;
    },
    draw,
  };
};
