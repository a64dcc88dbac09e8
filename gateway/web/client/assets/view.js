// The page's elements: the bar, the screens, the card in front of them. It shows what it is told and decides nothing.

const CALM_AFTER_MS = 2500;

const element = (id) => document.getElementById(id);

export class View {
    #name = element("name");
    #state = element("state");
    #card = element("card");
    #still = element("still");
    #screens = element("screens");
    #panel = element("clipboard-panel");
    #calm;
    #choice = null;

    constructor() {
        element("card-action").addEventListener("click", () => this.#choice?.());
        element("full-screen").hidden = !document.fullscreenEnabled;
        element("full-screen").addEventListener("click", () => this.#toggle_full_screen());
        document.addEventListener("fullscreenchange", () => this.#full_screen_changed());
        element("clipboard").addEventListener("click", () => this.#show_panel(this.#panel.hidden));
        element("clipboard-close").addEventListener("click", () => this.#show_panel(false));
        this.#panel.addEventListener("keydown", (event) => {
            if (event.key === "Escape") this.#show_panel(false);
        });
        window.addEventListener("keydown", (event) => this.#way_out(event), { capture: true });
    }

    // What the user may ask for: an object of functions.
    serve({ ctrl_alt_del, paste, disconnect, focus }) {
        this.focus = focus;
        element("ctrl-alt-del").addEventListener("click", () => { ctrl_alt_del(); focus(); });
        element("disconnect").addEventListener("click", disconnect);
        this.#panel.addEventListener("submit", (event) => {
            event.preventDefault();
            paste(element("clipboard-text").value);
            this.#show_panel(false);
        });
    }

    // The console's name and what the tools may do with it.
    console({ console: name, rights }) {
        const control = rights.includes("control");
        this.#name.textContent = name;
        this.#name.title = name;
        document.title = name;
        element("view-only").hidden = control;
        element("ctrl-alt-del").hidden = !control;
        element("clipboard").hidden = !(control && rights.includes("clipboard"));
        element("disconnect").hidden = false;
    }

    // One line that is always in sight; a good one steps back after a while.
    state(mood, text) {
        clearTimeout(this.#calm);
        this.#state.dataset.mood = mood;
        if (this.#state.textContent !== text) this.#state.textContent = text;
        document.body.dataset.mood = mood;
        if (mood === "good") this.#calm = setTimeout(() => { document.body.dataset.mood = "calm"; }, CALM_AFTER_MS);
        const usable = mood === "good";
        element("ctrl-alt-del").disabled = !usable;
        element("clipboard").disabled = !usable;
        if (!usable) this.#show_panel(false);
    }

    // Says in words why there is no console; with an action, resolves when it is chosen (or `unless` has happened).
    card(title, detail, action = null, unless = new Promise(() => {})) {
        element("card-title").textContent = title;
        element("card-detail").textContent = detail;
        element("card-detail").hidden = !detail;
        element("card-action").textContent = action ?? "";
        element("card-action").hidden = action === null;
        this.#card.hidden = false;
        (action === null ? this.#card : element("card-action")).focus();
        const chosen = new Promise((resolve) => { this.#choice = resolve; });
        return Promise.race([chosen, unless]).then(() => {
            this.#card.hidden = true;
            this.#choice = null;
        });
    }

    // A place for the next connection, behind the picture that is kept.
    screen() {
        const screen = document.createElement("div");
        screen.className = "screen";
        this.#screens.replaceChildren(screen);
        return screen;
    }

    // Keeps showing what a lost connection showed last.
    keep_picture(canvas) {
        if (!canvas?.width || !canvas.height) return;
        this.#still.width = canvas.width;
        this.#still.height = canvas.height;
        this.#still.getContext("2d").drawImage(canvas, 0, 0);
        this.#still.hidden = false;
    }

    drop_picture() {
        this.#still.hidden = true;
    }

    copied(text) {
        element("clipboard-text").value = text;
    }

    #show_panel(shown) {
        if (this.#panel.hidden !== shown) return;
        this.#panel.hidden = !shown;
        element("clipboard").setAttribute("aria-expanded", String(shown));
        if (shown) element("clipboard-text").focus();
        else this.focus?.();
    }

    async #toggle_full_screen() {
        try {
            if (document.fullscreenElement) {
                await document.exitFullscreen();
            } else {
                await document.documentElement.requestFullscreen();
                await navigator.keyboard?.lock?.(); // Escape and Alt+Tab belong to the machine then, where the browser can
            }
        } catch { /* the browser does not allow it: the button shows how things stand */ }
        this.focus?.();
    }

    #full_screen_changed() {
        const full = document.fullscreenElement !== null;
        element("full-screen").setAttribute("aria-pressed", String(full));
        element("full-screen").textContent = full ? "Leave full screen" : "Full screen";
        if (!full) navigator.keyboard?.unlock?.();
    }

    // The machine gets every key, Tab too; this chord is the way back to the buttons.
    #way_out(event) {
        if (!(event.ctrlKey && event.altKey && event.shiftKey && event.code === "KeyM")) return;
        event.preventDefault();
        event.stopPropagation();
        window.dispatchEvent(new Event("blur")); // noVNC lets go of the keys it holds down
        document.querySelector(".tools button:not([hidden], :disabled)")?.focus();
    }
}
