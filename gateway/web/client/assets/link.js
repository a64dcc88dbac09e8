// One connection to the console: a socket of ours with noVNC on it, from the first byte to its one ending.
// It decides nothing about what follows; the socket is ours because noVNC does not tell the close code.

import RFB from "../vendor/novnc/core/rfb.js";
import { Pulse } from "./pulse.js";

const OPEN_WITHIN_MS = 10000;
const HANDSHAKE_WITHIN_MS = 30000; // the gateway tries for 20 s to reach the machine, and then says why it cannot
const PAINT_WITHIN_MS = 2000;

// Codes a page may close with (RFC 6455 7.4.2); the gateway parks the session at any but 1000.
const FINISHED = 1000;
const VANISHED = 4000;

const LOST = 1006;
const FAILED = 1011;

// Whether every part of the canvas has got a picture: it is transparent where nothing was drawn.
function painted(canvas) {
    if (!canvas.width || !canvas.height) return false;
    const sample = new OffscreenCanvas(8, 8).getContext("2d");
    sample.drawImage(canvas, 0, 0, 8, 8);
    return sample.getImageData(0, 0, 8, 8).data.every((value, index) => index % 4 !== 3 || value > 250);
}

export class Link {
    #socket;
    #rfb;
    #end;
    #deadline;
    #pulse = null;
    #opened = false;
    #since = null;
    #over = false;

    // `on.up` is called when the console can be used, `on.painted` when its picture is there, `on.text` with what it copied.
    constructor(socket, screen, rights, on) {
        this.ended = new Promise((resolve) => { this.#end = resolve; });
        this.#socket = socket;
        this.screen = screen;
        // Ours comes before noVNC's, which takes its canvas out of the page.
        socket.addEventListener("close", (event) => this.#over_with(event.code, event.reason));
        socket.addEventListener("open", () => {
            this.#opened = true;
            this.#within(HANDSHAKE_WITHIN_MS);
        });
        this.#within(OPEN_WITHIN_MS);
        this.#rfb = this.#viewer(rights, on);
        this.canvas = screen.querySelector("canvas");
    }

    #viewer(rights, on) {
        const rfb = new RFB(this.screen, this.#socket, { shared: true });
        rfb.scaleViewport = true;
        rfb.viewOnly = !rights.includes("control");
        rfb.background = "transparent";
        rfb.addEventListener("connect", () => this.#up(on));
        rfb.addEventListener("clipboard", (event) => on.text(event.detail.text));
        rfb.addEventListener("securityfailure", (event) => this.#over_with(FAILED, event.detail.reason ?? ""));
        rfb.addEventListener("credentialsrequired",
            () => this.#over_with(FAILED, "The console asks for a password that the gateway was not given."));
        // Without a close of the socket before it, this is noVNC at odds with what it was sent: begin anew.
        rfb.addEventListener("disconnect", () => this.#over_with(LOST, ""));
        return rfb;
    }

    #within(milliseconds) {
        clearTimeout(this.#deadline);
        this.#deadline = setTimeout(() => this.#vanished(), milliseconds);
    }

    #up(on) {
        clearTimeout(this.#deadline);
        this.#since = performance.now();
        this.#pulse = new Pulse(this.#socket, () => this.#vanished());
        on.up();
        const look = () => {
            if (this.#over) return;
            if (painted(this.canvas) || performance.now() - this.#since > PAINT_WITHIN_MS) on.painted();
            else requestAnimationFrame(look);
        };
        look();
    }

    #vanished() {
        this.#over_with(LOST, "");
    }

    #over_with(code, reason) {
        if (this.#over) return;
        this.#over = true;
        clearTimeout(this.#deadline);
        this.#pulse?.stop();
        const lasted = this.#since === null ? 0 : performance.now() - this.#since;
        this.#end({ code, reason, opened: this.#opened, lasted });
        if (this.#socket.readyState <= WebSocket.OPEN) {
            this.#socket.close(code === FINISHED ? FINISHED : VANISHED);
            this.#rfb?.disconnect();
        }
    }

    // The user is done with the console.
    leave() {
        this.#over_with(FINISHED, "");
    }

    ctrl_alt_del() {
        this.#rfb.sendCtrlAltDel();
    }

    paste(text) {
        this.#rfb.clipboardPasteFrom(text);
    }

    focus() {
        this.#rfb.focus({ preventScroll: true });
    }
}
