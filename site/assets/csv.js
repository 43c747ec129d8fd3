/* CSV for spreadsheets, and downloads. */
window.reportgen.csv = (() => {
  "use strict";
  const { constants, imageFigures } = window.reportgen;
  /**
   * A text that a spreadsheet would run as a formula gets an apostrophe in front.
   * @param {string | number} value
   */
  const cell = (value) => {
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  /** @type {Csv["format"]} */
  const format = (header, rows) => `${[header, ...rows].map((row) => row.map(cell).join(",")).join("\n")}\n`;

  /** @type {Csv["download"]} */
  const download = (name, text, type) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  /** @type {Csv["downloadImages"]} */
  const downloadImages = (name, images, rows) => {
    const header = ["id", "name", "label", "predicted", "outcome", "confidence", "iou", "width", "height"];
    /** @param {number} value */
    const share = (value) => (value < 0 ? "" : value / constants.shareSteps);
    const lines = rows.map((i) => [
      images.id[i],
      images.name[i],
      imageFigures.labelText(images, i),
      imageFigures.predictionText(images, i),
      images.outcomes[images.outcome[i]][1],
      share(images.score[i]),
      share(images.iou[i]),
      images.width[i],
      images.height[i],
    ]);
    download(name, format(header, lines), "text/csv");
  };

  return { format, download, downloadImages };
})();
