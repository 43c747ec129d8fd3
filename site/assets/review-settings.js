/* The part of the review page that is folded: export, import, the reviewer's name, the tags and the keys. */
window.reportgen.reviewSettings = (storage, files, changed) => {
  "use strict";
  const { dom, shortcuts } = window.reportgen;
  const { element, button, labelled } = dom;
  const { saved } = storage;
  const MOST_TAGS = 9;
  const KEYS =
    "← k back · → j next · x next without review · 1–9 tag · a next image after a tag · 0 clear · u undo · n note · " +
    "c CAM · b boxes · [ ] threshold · ? this help";

  /** @param {"json" | "csv"} format */
  const save = (format) => {
    files.save(format);
    changed();
  };

  const file = element("input", { type: "file", accept: ".json,.csv" });
  const imported = element("p", { className: "quiet", role: "status" });
  file.addEventListener("change", async () => {
    try {
      imported.textContent = files.load((await file.files?.[0].text()) ?? "");
      changed();
    } catch (error) {
      imported.textContent = `not imported: ${/** @type {Error} */ (error).message}`;
    }
    file.value = "";
  });

  const tags = element("input", { type: "text", value: saved.tags.join(", ") });
  tags.addEventListener("change", () => {
    const wanted = new Set(tags.value.split(/[,;]/).map((tag) => tag.trim()));
    wanted.delete("");
    storage.change(() => {
      saved.tags = [...wanted].slice(0, MOST_TAGS);
    });
    changed();
  });
  const reviewer = element("input", { type: "text", value: saved.reviewer, autocomplete: "off" });
  reviewer.addEventListener("change", () => {
    storage.change(() => {
      saved.reviewer = reviewer.value.trim();
    });
    changed();
  });

  return element(
    "details",
    {},
    element("summary", { textContent: "Export, import, tags, keys" }),
    element(
      "div",
      { className: "tools" },
      button("export JSON", () => save("json")),
      button("export CSV", () => save("csv")),
      labelled("import JSON or CSV", file),
    ),
    imported,
    element(
      "div",
      { className: "tools" },
      labelled("your name", reviewer),
      Object.assign(labelled("tags, up to nine", tags), { className: "long" }),
      shortcuts.toggle(),
    ),
    element("p", { className: "quiet", textContent: KEYS }),
  );
};
