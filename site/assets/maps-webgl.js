/* Draws a map with WebGL2: all images as dots in one call, thumbnails as squares that take their pixels from an array of atlases. */
(() => {
  "use strict";
  const ATLAS = 2048;
  const DOTS = [`#version 300 es
    in vec2 from, to; in vec4 colour; uniform vec4 view; uniform float t, size; out vec4 tint;
    void main() {
      gl_Position = colour.a == 0.0 ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((mix(from, to, t) - view.xy) * view.zw, 0.0, 1.0);
      gl_PointSize = size; tint = colour;
    }`, `#version 300 es
    precision mediump float; in vec4 tint; out vec4 pixel;
    void main() { vec2 p = gl_PointCoord * 2.0 - 1.0; if (dot(p, p) > 1.0) discard; pixel = vec4(tint.rgb * tint.a, tint.a); }`];
  const TILES = [`#version 300 es
    in vec2 place; in float slot; in vec4 colour; uniform vec4 view; uniform vec2 size; out vec2 inside; out vec4 tint; flat out float which;
    void main() {
      inside = vec2(gl_VertexID & 1, gl_VertexID >> 1);
      gl_Position = vec4((place - view.xy) * view.zw + (inside - 0.5) * size * vec2(1.0, -1.0), 0.0, 1.0);
      which = slot; tint = colour;
    }`, `#version 300 es
    precision highp float; precision highp sampler2DArray; in vec2 inside; in vec4 tint; flat in float which; out vec4 pixel;
    uniform sampler2DArray atlas; uniform float across, side, border;
    void main() {
      vec2 edge = min(inside, 1.0 - inside);
      if (min(edge.x, edge.y) < border) { pixel = vec4(tint.rgb, 1.0); return; }
      float each = across * across, sheet = floor(which / each), k = which - sheet * each;
      vec2 corner = vec2(mod(k, across), floor(k / across)) * side;
      pixel = vec4(texture(atlas, vec3((corner + clamp(inside * side, 0.5, side - 0.5)) / ${ATLAS}.0, sheet)).rgb, 1.0);
    }`];

  const imitated = (gl) => {
    const told = gl.getExtension("WEBGL_debug_renderer_info"), name = gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  };
  // Without a graphics processor WebGL is imitated, at half the speed of the 2-D canvas: then there is none, unless it is asked for.
  window.reportgen.webgl = (n, side, sheets, asked) => {
    const canvas = document.createElement("canvas");
    const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, failIfMajorPerformanceCaveat: !asked });
    if (!gl || (imitated(gl) && !asked)) return null;
    const layers = Math.min(sheets, gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS));
    if (gl.getParameter(gl.MAX_TEXTURE_SIZE) < ATLAS) return null;
    const program = ([vertex, fragment]) => {
      const made = gl.createProgram();
      for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
        const shader = gl.createShader(type);
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        gl.attachShader(made, shader);
      }
      gl.linkProgram(made);
      const at = (name) => gl.getUniformLocation(made, name);
      return { made, at, attribute: (name) => gl.getAttribLocation(made, name) };
    };
    const dots = program(DOTS), tiles = program(TILES);
    const bound = (array, key, size, type, normal, divisor, where) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, array, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(where.attribute(key));
      gl.vertexAttribPointer(where.attribute(key), size, type, normal, 0, 0);
      gl.vertexAttribDivisor(where.attribute(key), divisor);
      return (next) => { gl.bindBuffer(gl.ARRAY_BUFFER, buffer); gl.bufferData(gl.ARRAY_BUFFER, next, gl.DYNAMIC_DRAW); };
    };
    const dotArray = gl.createVertexArray(), tileArray = gl.createVertexArray();
    gl.bindVertexArray(dotArray);
    const setFrom = bound(new Float32Array(2 * n), "from", 2, gl.FLOAT, false, 0, dots);
    const setTo = bound(new Float32Array(2 * n), "to", 2, gl.FLOAT, false, 0, dots);
    const setColours = bound(new Uint8Array(4 * n), "colour", 4, gl.UNSIGNED_BYTE, true, 0, dots);
    gl.bindVertexArray(tileArray);
    const setPlaces = bound(new Float32Array(2), "place", 2, gl.FLOAT, false, 1, tiles);
    const setSlots = bound(new Float32Array(1), "slot", 1, gl.FLOAT, false, 1, tiles);
    const setTints = bound(new Uint8Array(4), "colour", 4, gl.UNSIGNED_BYTE, true, 1, tiles);
    const atlas = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, atlas);
    if (layers) gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA8, ATLAS, ATLAS, layers);
    for (const [key, value] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR], [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]])
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, key, value);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

    return {
      name: "WebGL2",
      canvas,
      move: (from, to) => { setFrom(from); setTo(to); },
      paint: setColours,
      addAtlas: (k, image) => {
        if (k >= layers) return false;
        gl.bindTexture(gl.TEXTURE_2D_ARRAY, atlas);
        gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, k, image.width, image.height, 1, gl.RGBA, gl.UNSIGNED_BYTE, image);
        return true;
      },
      draw: ({ width, height, ratio, x, y, scale, t, dot, sprites }) => {
        gl.viewport(0, 0, canvas.width, canvas.height);
        gl.clearColor(0, 0, 0, 0);
        gl.clear(gl.COLOR_BUFFER_BIT);
        const view = [x, y, (2 * scale) / width, (-2 * scale) / height];
        gl.useProgram(dots.made);
        gl.bindVertexArray(dotArray);
        gl.uniform4fv(dots.at("view"), view);
        gl.uniform1f(dots.at("t"), t);
        gl.uniform1f(dots.at("size"), dot * ratio);
        gl.drawArrays(gl.POINTS, 0, n);
        if (!sprites.count) return;
        gl.useProgram(tiles.made);
        gl.bindVertexArray(tileArray);
        setPlaces(sprites.places.subarray(0, 2 * sprites.count));
        setSlots(Float32Array.from(sprites.slot.subarray(0, sprites.count)));
        setTints(sprites.tints.subarray(0, 4 * sprites.count));
        gl.uniform4fv(tiles.at("view"), view);
        gl.uniform2f(tiles.at("size"), (2 * sprites.size) / width, (2 * sprites.size) / height);
        gl.uniform1f(tiles.at("across"), ATLAS / side);
        gl.uniform1f(tiles.at("side"), side);
        gl.uniform1f(tiles.at("border"), 1.5 / sprites.size);
        gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, sprites.count);
      },
    };
  };
})();
