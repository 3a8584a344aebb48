/* What the page does by itself: it sends clicks to the server, compares before and after, paints masks, takes photos.
   Everything that is shown comes from the server (identigen/ui/views.py); nothing is loaded from anywhere else. */
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const create = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    return document.importNode(template.content.firstElementChild, true); // a template's own document is inert
  };
  const escaped = (text) => {
    const span = document.createElement("span");
    span.textContent = text ?? "";
    return span.innerHTML.replaceAll('"', "&quot;");
  };

  /* ---------------------------------------------------------------- clicks go to the server */

  let send = () => {}; // the trigger of the last region that was bound: all lead to the same handler
  let point = () => {}; // answered twice: with an outline at once, and when it is known who is there

  function bind(element, trigger, watch) {
    send = (data) => trigger("act", data);
    point = (data) => trigger("pick", { do: "pick", ...data });
    element.addEventListener("click", (event) => {
      const local = event.target.closest("[data-local]");
      if (local) return local_actions[local.dataset.local](local);
      const button = event.target.closest("button[data-do]");
      if (button && button.dataset.do === "example") return open_example(trigger, button);
      if (button) return send({ ...button.dataset });
      const again = event.target.closest("[data-again]");
      if (again) return trigger("run", { again: again.dataset.again });
      const offer = event.target.closest("[data-offer]");
      if (offer) return trigger("offer", { id: offer.dataset.offer });
      const take = event.target.closest("[data-take]");
      if (take) return trigger("run", { id: take.dataset.id, seed: take.dataset.take });
      if (event.target.closest("[data-compare]")) return trigger("compare", {});
      if (event.target.closest("[data-run]")) return run(trigger, event.target.closest("[data-run]"));
      const picture = event.target.closest("[data-pick]");
      if (picture) pick(picture, event);
    });
    element.addEventListener("pointerdown", (event) => {
      const picture = event.target.closest("[data-pick]");
      if (picture && !event.button && (event.pointerType === "mouse" || boxing())) draw_box(picture, event);
    });
    element.addEventListener("change", (event) => {
      const field = event.target.closest("select[data-do], input[data-do], textarea[data-do]");
      if (field) send({ ...field.dataset, value: field.value });
    });
    watch("value", () => settle(element));
    settle(element);
  }

  /* A list that was used shows the visitor's pick, whatever its attributes say: put back what the server knows. */
  function settle(element) {
    for (const list of element.querySelectorAll("select[data-value]")) list.value = list.dataset.value;
    for (const field of element.querySelectorAll("input[data-do]")) {
      if (field !== document.activeElement) field.value = field.getAttribute("value");
    }
    const language = $("[data-language]", element);
    if (language) {
      document.documentElement.lang = language.dataset.language;
      $("#work").classList.toggle("away", language.dataset.page !== "work");
    }
    if ($("[data-kiosk]", element)) start_kiosk();
    const mask = editor && $(`[data-local=paint][data-id="${editor.texts.id}"]`, element);
    if (mask) editor.answered(mask.dataset.mask);
    const cards = $(".cards", element);
    if (cards && picked) show_card(cards, picked);
  }

  let picked = ""; // who was pressed in the picture: their card comes into sight

  function show_card(cards, id) {
    const card = $(`.card[data-id="${id}"]`, cards);
    picked = "";
    if (!card) return;
    const [frame, place] = [cards.getBoundingClientRect(), card.getBoundingClientRect()];
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    if (place.left < frame.left || place.right > frame.right) cards.scrollBy({ left: place.left - frame.left - 12, behavior });
    if (place.top < frame.top || place.bottom > frame.bottom) cards.scrollBy({ top: place.top - frame.top - 12, behavior });
  }

  function run(trigger, button) {
    if (button.disabled) return;
    button.classList.add("sent");
    $("#stage")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
    trigger("run", button.dataset.run ? { [button.dataset.run]: true } : {});
  }

  function open_example(trigger, button) {
    button.classList.add("sent");
    setTimeout(() => button.classList.remove("sent"), 4000);
    trigger("example", { value: button.dataset.value });
  }

  let drawn = false; // the click that ends the drawing of a box chooses nobody

  function in_photo(picture, event) {
    const frame = $("img", picture).getBoundingClientRect();
    const size = $("svg", picture).viewBox.baseVal;
    const inside = (share, edge) => Math.min(Math.max(share, 0), 1 - 1e-9) * edge;
    return [inside((event.clientX - frame.left) / frame.width, size.width), inside((event.clientY - frame.top) / frame.height, size.height)];
  }

  const boxing = () => $("[data-local=box]")?.ariaPressed === "true";

  /* Dragging over the photo draws a box around somebody whom nothing has found; a finger, which scrolls otherwise, does
     so after a press on the tool. */
  function draw_box(picture, down) {
    while_pressed((event) => {
      if (Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 12 && !drawn) return;
      drawn = true;
      const frame = picture.getBoundingClientRect();
      const band = $(".band", picture) ?? picture.appendChild(create('<i class="band" aria-hidden="true"></i>'));
      band.style.left = `${Math.min(down.clientX, event.clientX) - frame.left}px`;
      band.style.top = `${Math.min(down.clientY, event.clientY) - frame.top}px`;
      band.style.width = `${Math.abs(event.clientX - down.clientX)}px`;
      band.style.height = `${Math.abs(event.clientY - down.clientY)}px`;
    }, (event) => {
      $(".band", picture)?.remove();
      if (!drawn) return;
      const [x1, y1] = in_photo(picture, down);
      const [x2, y2] = in_photo(picture, event);
      point({ box: [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)] });
      setTimeout(() => (drawn = false));
    });
  }

  function while_pressed(moved, ended) {
    const stop = (event) => {
      removeEventListener("pointermove", moved);
      removeEventListener("pointerup", stop);
      removeEventListener("pointercancel", stop);
      ended(event);
    };
    addEventListener("pointermove", moved);
    addEventListener("pointerup", stop);
    addEventListener("pointercancel", stop);
  }

  function pick(picture, event) {
    if (drawn) return;
    const frame = $("img", picture).getBoundingClientRect();
    const [x, y] = in_photo(picture, event);
    const shape = event.target.closest("path");
    picked = shape?.dataset.id ?? "";
    if (shape) shape.classList.add("touched"); // an answer at once; the server's follows
    else ripple(picture, event, frame);
    point({ x, y });
  }

  function ripple(picture, event, frame) {
    const ring = create('<i class="ripple" aria-hidden="true"></i>');
    ring.style.left = `${event.clientX - frame.left}px`;
    ring.style.top = `${event.clientY - frame.top}px`;
    picture.append(ring);
    setTimeout(() => ring.remove(), 1600);
  }

  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.target.matches("input, textarea, select")) return;
    const key = event.key.toLowerCase();
    const name = key === "y" || (key === "z" && event.shiftKey) ? "redo" : key === "z" ? "undo" : "";
    const button = name && $(`button[data-do="${name}"]`);
    if (editor && name) return editor.step(name === "undo" ? -1 : 1);
    if (!button || $("dialog[open]")) return;
    event.preventDefault();
    if (!button.disabled) button.click();
  });

  /* hovering a card shows its outline, and the other way round */
  document.addEventListener("pointerover", (event) => {
    const over = event.target.closest?.(".card, .photo path");
    for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
    if (!over) return;
    for (const twin of document.querySelectorAll(`.photo path[data-id="${over.dataset.id}"], .card[data-id="${over.dataset.id}"]`))
      twin.classList.add("lit");
  });

  /* In a kiosk the next person must not find the photo of the last one: a pause reloads, and a reload forgets. */
  const PAUSE = 90_000;
  let rest = 0;

  function start_kiosk() {
    const page = $(".contain > .column"); // Gradio scopes our style sheet to what is inside of this
    if (page.classList.contains("kiosk")) return;
    page.classList.add("kiosk");
    const awake = () => {
      clearTimeout(rest);
      rest = setTimeout(() => location.reload(), PAUSE);
    };
    for (const name of ["pointerdown", "keydown", "scroll"]) addEventListener(name, awake, { passive: true, capture: true });
    awake();
  }

  /* ---------------------------------------------------------------- photos come in */

  const is_picture = (file) => file.type.startsWith("image/") || /\.(hei[cf]|tiff?|avif)$/i.test(file.name);

  // The server keeps uploads by content and name: two visitors with one photo must not share a file. randomUUID wants https.
  const own_number = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  /* Whatever is dropped or pasted with pictures is left out; alone it is sent, and the server says what is wrong with it. */
  function give(list, where = "#photo-input") {
    const all = [...(list ?? [])];
    const pictures = all.filter(is_picture);
    const chosen = pictures.length ? pictures : all.slice(0, 1);
    const input = $(`${where} input[type=file]`);
    if (!input || !chosen.length) return;
    if (chosen.some((file) => file.size > Number($("[data-limit]").dataset.limit))) return send({ do: "too-large" });
    if (where === "#photo-input" && $(".stop")) send({ do: "stop" }); // the new photo would wait for the old one
    const files = new DataTransfer();
    for (const file of chosen) files.items.add(new File([file], `${own_number()}-${file.name}`, { type: file.type }));
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    $(".canvas")?.classList.add("sent"); // the next page from the server takes it away
  }

  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length && !event.target.matches("textarea")) give(event.clipboardData.files);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    give(event.dataTransfer?.files);
  });

  function choose_files(taken) {
    const input = create('<input type="file" accept="image/*,.heic,.heif,.tif,.tiff,.avif" multiple>');
    input.addEventListener("change", () => taken(input.files));
    input.click();
  }

  const local_actions = {
    upload: () => choose_files((files) => give(files)),
    beside: () => choose_files((files) => give(files, "#photo-beside")),
    camera: (button) => open_camera(button.dataset),
    theme: () => {
      const dark = !document.body.classList.contains("dark");
      document.body.classList.toggle("dark", dark);
      localStorage.setItem("identigen-light", dark ? "dark" : "light");
    },
    box: (button) => {
      button.ariaPressed = String(!boxing());
      $(".canvas").classList.toggle("boxing", boxing());
    },
    paint: (button) => new MaskEditor(button.dataset).open(),
    "mask-file": (button) => {
      const input = create('<input type="file" accept="image/png,image/*">');
      input.addEventListener("change", () => {
        const reader = new FileReader();
        reader.onload = () => send({ do: "mask-file", id: button.dataset.id, png: reader.result });
        if (input.files[0]) reader.readAsDataURL(input.files[0]);
      });
      input.click();
    },
  };

  const remembered = localStorage.getItem("identigen-light");
  if (remembered) {
    // Gradio decides by itself when it starts; the visitor's own decision comes after it
    const decide = () => document.body.classList.toggle("dark", remembered === "dark");
    addEventListener("load", () => [0, 300, 1500].forEach((ms) => setTimeout(decide, ms)));
  }

  async function open_camera(texts) {
    const dialog = create(`<dialog class="sheet camera" aria-label="${escaped(texts.title)}"><h2>${escaped(texts.title)}</h2>
      <video autoplay playsinline muted></video><p class="sheet-note" hidden>${escaped(texts.none)}</p>
      <div class="sheet-end"><button type="button" class="soft" value="close">${escaped(texts.close)}</button>
      <button type="button" class="solid" value="shoot" disabled>${escaped(texts.shoot)}</button></div></dialog>`);
    const video = $("video", dialog);
    let stream = null;
    const close = () => {
      stream?.getTracks().forEach((track) => track.stop());
      dialog.remove();
    };
    dialog.addEventListener("close", close);
    $("[value=close]", dialog).addEventListener("click", () => dialog.close());
    $("[value=shoot]", dialog).addEventListener("click", () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob((blob) => {
        give([new File([blob], "camera.png", { type: "image/png" })]);
        dialog.close();
      });
    });
    document.body.append(dialog);
    dialog.showModal();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 }, facingMode: "user" } });
      video.srcObject = stream;
      $("[value=shoot]", dialog).disabled = false;
    } catch {
      video.hidden = true;
      $(".sheet-note", dialog).hidden = false;
    }
  }

  /* ---------------------------------------------------------------- before | after */

  const CHEVRONS = '<svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"><path d="m9 7-5 5 5 5M15 7l5 5-5 5"/></svg>';

  const TILE = 512; // as in identigen/ui/media.py

  class BeforeAfter extends HTMLElement {
    static observedAttributes = ["before", "after", "before-pixels", "after-pixels", "text-before", "text-after", "text-slider", "text-zoom"];

    connectedCallback() {
      if (this.shadowRoot) return;
      this.attachShadow({ mode: "open" }).innerHTML = `
        <style>
          :host { display: block; position: relative; overflow: hidden; }
          .view { width: 100%; height: 100%; overflow: hidden; }
          .frame { position: relative; container-type: inline-size; width: 100%; height: 100%; --cut: 50%; touch-action: pan-y; cursor: ew-resize; user-select: none; }
          .zoomed { overflow: auto; }
          .zoomed .frame { touch-action: pan-x pan-y; cursor: grab; }
          img { position: absolute; inset: 0; width: 100%; height: 100%; display: block; -webkit-user-drag: none; }
          .cut { position: absolute; inset: 0 auto 0 0; width: var(--cut); overflow: hidden; } /* a clip-path would be drawn whole */
          .cut > div { position: relative; width: 100cqw; height: 100%; }
          .tiles { position: absolute; inset: 0; }
          .tiles img { inset: auto; image-rendering: pixelated; }
          .line { position: absolute; top: 0; bottom: 0; left: var(--cut); width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .28); pointer-events: none; }
          .grip { position: absolute; top: 50%; left: 50%; width: 46px; height: 46px; margin: -23px; border-radius: 50%; background: #fff; color: #10231f;
                  display: grid; place-items: center; box-shadow: 0 2px 14px rgb(0 0 0 / .35); }
          input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; pointer-events: none; }
          input:focus-visible ~ .line .grip { outline: 3px solid #ffb838; outline-offset: 3px; }
          span, button { position: absolute; padding: 5px 12px; border-radius: 999px; background: rgb(12 20 18 / .78); color: #fff; font: 600 13px/1.3 system-ui, sans-serif; }
          span { bottom: 12px; pointer-events: none; transition: opacity .15s; }
          .left { left: 12px; } .right { right: 12px; }
          button { top: 12px; right: 12px; border: 0; padding: 9px 14px; cursor: pointer; }
          button[aria-pressed=true] { background: #fff; color: #10231f; }
          button:focus-visible { outline: 3px solid #ffb838; outline-offset: 2px; }
        </style>
        <div class="view"><div class="frame"><img class="after-image" alt="" draggable="false"><div class="tiles"></div>
          <div class="cut"><div><img class="before" alt="" draggable="false"><div class="tiles"></div></div></div>
          <input type="range" min="0" max="100" step="1" value="50">
          <div class="line"><div class="grip">${CHEVRONS}</div></div></div></div>
          <span class="left"></span><span class="right"></span><button type="button" aria-pressed="false">200 %</button>`;
      this.view = $(".view", this.shadowRoot);
      this.frame = $(".frame", this.shadowRoot);
      this.range = $("input", this.shadowRoot);
      this.range.addEventListener("input", () => {
        this.sweeping = false;
        this.cut(this.range.valueAsNumber);
      });
      this.frame.addEventListener("pointerdown", (event) => this.press(event));
      this.frame.addEventListener("pointermove", (event) => this.drag(event));
      this.frame.addEventListener("pointerup", () => (this.dragging = null));
      $("button", this.shadowRoot).addEventListener("click", () => this.zoom());
      this.update();
      this.sweep();
    }

    attributeChangedCallback(name, old) {
      if (!this.shadowRoot) return;
      this.update();
      if (name === "after" && old) this.sweep();
    }

    update() {
      const words = (name) => this.getAttribute(name) ?? "";
      const set = (selector, name) => {
        const image = $(selector, this.shadowRoot);
        if (image.getAttribute("src") !== words(name)) image.src = words(name);
        image.alt = words(`text-${name}`);
      };
      set("img.before", "before");
      set(".after-image", "after");
      $(".left", this.shadowRoot).textContent = words("text-before");
      $(".right", this.shadowRoot).textContent = words("text-after");
      $("button", this.shadowRoot).setAttribute("aria-label", words("text-zoom"));
      this.range.setAttribute("aria-label", words("text-slider"));
      if (this.view.classList.contains("zoomed")) this.lay_tiles(...this.pixels());
    }

    /* A new result is wiped in from the right, so that it is plain what the line does. */
    sweep() {
      const rest = Number(this.getAttribute("rest"));
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.cut(rest);
      const start = performance.now();
      this.sweeping = true;
      const step = (now) => {
        if (!this.sweeping) return;
        const t = Math.min(1, (now - start) / 900);
        this.cut(100 - (100 - rest) * (1 - (1 - t) ** 3));
        if (t < 1) requestAnimationFrame(step);
        else this.sweeping = false;
      };
      requestAnimationFrame(step);
    }

    press(event) {
      if (event.pointerType === "mouse" && event.button) return;
      const line = this.frame.getBoundingClientRect().left + (this.frame.clientWidth * this.range.valueAsNumber) / 100;
      const pans = this.view.classList.contains("zoomed") && Math.abs(event.clientX - line) > 40;
      if (pans && event.pointerType !== "mouse") return; // fingers scroll by themselves
      this.dragging = pans ? [event.clientX, event.clientY] : "line";
      this.frame.setPointerCapture(event.pointerId);
      this.drag(event);
    }

    drag(event) {
      if (!this.dragging) return;
      this.sweeping = false;
      if (this.dragging !== "line") {
        this.view.scrollBy(this.dragging[0] - event.clientX, this.dragging[1] - event.clientY);
        this.dragging = [event.clientX, event.clientY];
        return;
      }
      const frame = this.frame.getBoundingClientRect();
      this.cut((100 * (event.clientX - frame.left)) / frame.width);
      this.range.focus({ preventScroll: true });
    }

    zoom() {
      const zoomed = this.view.classList.toggle("zoomed");
      $("button", this.shadowRoot).setAttribute("aria-pressed", zoomed);
      const [width, height] = this.pixels();
      this.frame.style.width = zoomed ? `${2 * width}px` : "";
      this.frame.style.height = zoomed ? `${2 * height}px` : "";
      this.lay_tiles(zoomed ? width : 0, zoomed ? height : 0);
      if (!zoomed) return;
      const [x, y] = (this.getAttribute("focus") ?? "0.5 0.5").split(" ").map(Number);
      this.view.scrollTo(x * this.view.scrollWidth - this.view.clientWidth / 2, y * this.view.scrollHeight - this.view.clientHeight / 2);
      this.cut((100 * (this.view.scrollLeft + 0.25 * this.view.clientWidth)) / this.view.scrollWidth);
    }

    pixels() {
      return this.getAttribute("size").split(" ").map(Number);
    }

    /* At 200 % the photo's own pixels lie over the preview, in tiles that are fetched when they come into sight. */
    lay_tiles(width, height) {
      this.watcher?.disconnect();
      this.watcher = new IntersectionObserver((seen) => {
        for (const { isIntersecting, target } of seen) if (isIntersecting) target.src = target.dataset.src;
      }, { root: this.view, rootMargin: "200px" });
      for (const [index, name] of ["after-pixels", "before-pixels"].entries()) {
        const layer = this.shadowRoot.querySelectorAll(".tiles")[index];
        const [path, version] = this.getAttribute(name).split("?");
        layer.replaceChildren();
        for (let top = 0; top < height; top += TILE)
          for (let left = 0; left < width; left += TILE) {
            const tile = create(`<img alt="" draggable="false" data-src="${path}_${left / TILE}_${top / TILE}.png?${version}">`);
            const [w, h] = [Math.min(TILE, width - left), Math.min(TILE, height - top)];
            tile.style.cssText = `left: ${2 * left}px; top: ${2 * top}px; width: ${2 * w}px; height: ${2 * h}px`;
            layer.append(tile);
            this.watcher.observe(tile);
          }
      }
    }

    cut(percent) {
      const value = Math.min(100, Math.max(0, percent));
      this.range.value = value;
      this.frame.style.setProperty("--cut", `${value}%`);
      $(".left", this.shadowRoot).style.opacity = value < 16 ? 0 : 1;
      $(".right", this.shadowRoot).style.opacity = value > 84 ? 0 : 1;
    }
  }
  customElements.define("before-after", BeforeAfter);

  /* ---------------------------------------------------------------- masks are painted */

  let editor = null; // the one that is open

  class MaskEditor {
    constructor(texts) {
      this.texts = { ...texts }; // what stands on the page now: its button will change
      this.tool = "brush";
      this.states = []; // what Undo and Redo walk along: the server's mask, the strokes on it, the points that were pressed
      this.at = -1;
      this.sent = 0; // steps that Cancel has to take back
    }

    get now() {
      return this.states[this.at];
    }

    async open() {
      const t = Object.fromEntries(Object.entries(this.texts).map(([name, text]) => [name, escaped(text)]));
      this.dialog = create(`<dialog class="sheet painter" aria-label="${t.title}"><div class="sheet-head"><h2>${t.title}</h2>
        <div class="segments small" role="group"><button type="button" value="brush" aria-pressed="true">${t.brush}</button>
        <button type="button" value="eraser" aria-pressed="false">${t.eraser}</button>
        <button type="button" value="more" aria-pressed="false">${t.more}</button>
        <button type="button" value="less" aria-pressed="false">${t.less}</button></div>
        <div class="steps"><button type="button" class="quiet round" value="undo" aria-label="${t.undo}" title="${t.undo}">${$("button[data-do=undo]").innerHTML}</button>
        <button type="button" class="quiet round" value="redo" aria-label="${t.redo}" title="${t.redo}">${$("button[data-do=redo]").innerHTML}</button></div>
        <label>${t.size}<input type="range" name="size" min="4" max="160" value="36"></label>
        <label>${t.zoom}<input type="range" name="zoom" min="100" max="500" step="10" value="100"></label></div>
        <div class="easel"><div class="paper"><img alt=""><canvas tabindex="0" aria-label="${t.title}"></canvas><i class="ring" hidden></i></div></div>
        <div class="sheet-end"><button type="button" class="soft" value="cancel">${t.cancel}</button>
        <button type="button" class="solid" value="done">${t.done}</button></div></dialog>`);
      document.body.append(this.dialog);
      editor = this;
      this.dialog.addEventListener("close", () => {
        editor = null;
        this.dialog.remove();
      });
      this.dialog.addEventListener("cancel", () => this.take_back());
      this.dialog.addEventListener("click", (event) => this.press(event.target.closest("button")?.value));
      this.field("zoom").addEventListener("input", () => this.fit());
      this.field("size").addEventListener("input", () => this.show_ring_in_sight());
      this.dialog.showModal();
      const [photo, mask] = await Promise.all([load(this.texts.photo), load(this.texts.mask)]);
      $("img", this.dialog).src = this.texts.photo;
      this.prepare(photo, mask);
    }

    field(name) {
      return $(`[name=${name}]`, this.dialog);
    }

    prepare(photo, mask) {
      this.canvas = $("canvas", this.dialog);
      [this.canvas.width, this.canvas.height] = [photo.naturalWidth, photo.naturalHeight];
      this.pen = this.canvas.getContext("2d");
      this.go_on({ mask: this.tinted(mask), strokes: [], points: [], labels: [] });
      this.draw();
      this.fit();
      this.canvas.addEventListener("pointerdown", (event) => {
        if (!this.is_painting()) return this.refine(event);
        this.canvas.setPointerCapture(event.pointerId);
        this.stroke = { erasing: this.tool === "eraser", width: this.width_here(), points: [] };
        this.paint(event);
      });
      this.canvas.addEventListener("pointermove", (event) => {
        this.show_ring(event.clientX, event.clientY);
        if (this.stroke) this.paint(event);
      });
      for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, () => this.lift());
      this.canvas.addEventListener("pointerleave", () => ($(".ring", this.dialog).hidden = true));
      this.dialog.classList.add("ready");
    }

    is_painting() {
      return this.tool === "brush" || this.tool === "eraser";
    }

    /* The server's mask as a red picture. */
    tinted(mask) {
      const sheet = new OffscreenCanvas(this.canvas.width, this.canvas.height);
      const pen = sheet.getContext("2d");
      pen.drawImage(mask, 0, 0, sheet.width, sheet.height);
      const picture = pen.getImageData(0, 0, sheet.width, sheet.height);
      for (let i = 0; i < picture.data.length; i += 4) picture.data.set([232, 74, 47, picture.data[i] >= 128 ? 255 : 0], i);
      pen.putImageData(picture, 0, 0);
      return sheet;
    }

    draw() {
      this.pen.globalCompositeOperation = "copy";
      this.pen.drawImage(this.now.mask, 0, 0);
      for (const one of this.now.strokes) draw_stroke(this.pen, one, one.erasing ? "destination-out" : "source-over", "rgb(232 74 47)");
    }

    /* What was painted, all that is sent back; red: added, blue: erased. */
    painted() {
      if (!this.now.strokes.length) return "";
      const sheet = create("<canvas></canvas>");
      [sheet.width, sheet.height] = [this.canvas.width, this.canvas.height];
      for (const one of this.now.strokes) draw_stroke(sheet.getContext("2d"), one, "source-over", one.erasing ? "rgb(0 0 255)" : "rgb(255 0 0)");
      return sheet.toDataURL("image/png");
    }

    go_on(state) {
      this.states = [...this.states.slice(0, this.at + 1), state];
      this.at += 1;
      this.show_steps();
    }

    /* Undo or redo one stroke, or one answer of the server. */
    step(by) {
      const next = this.states[this.at + by];
      if (!next || this.stroke || this.dialog.classList.contains("waiting")) return;
      if (next.mask !== this.now.mask) {
        send({ do: by < 0 ? "undo" : "redo" });
        this.sent += by;
      }
      this.at += by;
      this.draw();
      this.show_steps();
    }

    show_steps() {
      $("[value=undo]", this.dialog).disabled = this.at <= 0;
      $("[value=redo]", this.dialog).disabled = this.at >= this.states.length - 1;
    }

    /* The server mends the outline at a point; its answer is the next page, with another address of the mask. */
    refine(event) {
      if (this.dialog.classList.contains("waiting")) return;
      const frame = this.canvas.getBoundingClientRect();
      const point = [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
      this.asked = { points: [...this.now.points, point], labels: [...this.now.labels, this.tool === "more"] };
      this.dialog.classList.add("waiting");
      this.sent += 1;
      send({ do: "refine", id: this.texts.id, ...this.asked, png: this.painted() });
    }

    async answered(address) {
      if (!this.dialog.classList.contains("waiting")) return;
      if (address !== this.texts.mask) {
        this.texts = { ...this.texts, mask: address };
        this.go_on({ mask: this.tinted(await load(address)), strokes: [], ...this.asked });
        this.draw();
      } else this.sent -= 1;
      this.dialog.classList.remove("waiting");
    }

    take_back() {
      for (; this.sent; this.sent -= 1) send({ do: "undo" });
    }

    fit() {
      const easel = $(".easel", this.dialog);
      const scale = Math.min(easel.clientWidth / this.canvas.width, easel.clientHeight / this.canvas.height);
      const zoom = this.field("zoom").valueAsNumber / 100;
      $(".paper", this.dialog).style.width = `${this.canvas.width * scale * zoom}px`;
    }

    /* Pixels of the canvas for one pixel of the screen. */
    scale_here() {
      return this.canvas.width / this.canvas.getBoundingClientRect().width;
    }

    width_here() {
      return this.field("size").valueAsNumber * Math.min(1, this.scale_here() * 1.6);
    }

    paint(event) {
      const [frame, scale, points] = [this.canvas.getBoundingClientRect(), this.scale_here(), this.stroke.points];
      points.push([(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale]);
      const how = this.stroke.erasing ? "destination-out" : "source-over";
      draw_stroke(this.pen, { ...this.stroke, points: points.slice(-2) }, how, "rgb(232 74 47)");
    }

    lift() {
      if (this.stroke) this.go_on({ ...this.now, strokes: [...this.now.strokes, this.stroke] });
      this.stroke = null;
    }

    /* A ring as large as the brush, under the pointer. */
    show_ring(x, y) {
      const ring = $(".ring", this.dialog);
      const frame = this.canvas.getBoundingClientRect();
      ring.hidden = !this.is_painting();
      ring.classList.toggle("erases", this.tool === "eraser");
      ring.style.left = `${x - frame.left}px`;
      ring.style.top = `${y - frame.top}px`;
      ring.style.width = ring.style.height = `${this.width_here() / this.scale_here()}px`;
    }

    /* While the size is chosen the pointer is elsewhere. */
    show_ring_in_sight() {
      const [easel, paper] = [$(".easel", this.dialog), this.canvas].map((part) => part.getBoundingClientRect());
      const middle = (from, to) => (Math.max(easel[from], paper[from]) + Math.min(easel[to], paper[to])) / 2;
      this.show_ring(middle("left", "right"), middle("top", "bottom"));
    }

    press(name) {
      if (["brush", "eraser", "more", "less"].includes(name)) {
        this.tool = name;
        for (const button of this.dialog.querySelectorAll(".segments button")) button.setAttribute("aria-pressed", button.value === name);
      }
      if (name === "undo" || name === "redo") this.step(name === "undo" ? -1 : 1);
      if (name === "cancel") this.take_back();
      if (name === "done" && this.now.strokes.length) send({ do: "mask", id: this.texts.id, png: this.painted() });
      if (name === "done" || name === "cancel") this.dialog.close();
    }
  }

  function draw_stroke(pen, { points, width }, how, colour) {
    pen.globalCompositeOperation = how;
    pen.strokeStyle = colour;
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points) pen.lineTo(...point);
    pen.stroke();
  }

  function load(address) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = reject;
      image.src = address;
    });
  }

  window.IdentiGen = { bind };
})();
