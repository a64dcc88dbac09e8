// Finds out that the other side has vanished: power loss, a frozen node or a cut cable close no socket.
//
// After a silence it asks the server for one pixel; when not even that comes, the connection is dead. A browser
// slows the timers of a hidden page down, so a late tick proves nothing: it only asks again.

const SILENCE_MS = 3000;
const ANSWER_MS = 2000;
const TICK_MS = 500;
const LATE_MS = 1500;

// FramebufferUpdateRequest (rfbproto 7.5.3): not incremental, at 0,0, 1 by 1.
const ONE_PIXEL = new Uint8Array([3, 0, 0, 0, 0, 0, 0, 1, 0, 1]);

export class Pulse {
    #socket;
    #dead;
    #timer;
    #heard = performance.now();
    #ticked = performance.now();
    #asked = null;

    // To be made once the RFB handshake is over; `dead` is called at most once.
    constructor(socket, dead) {
        this.#socket = socket;
        this.#dead = dead;
        this.#timer = setInterval(this.#tick, TICK_MS);
        socket.addEventListener("message", this.#hear);
        document.addEventListener("visibilitychange", this.#seen);
    }

    stop() {
        clearInterval(this.#timer);
        this.#socket.removeEventListener("message", this.#hear);
        document.removeEventListener("visibilitychange", this.#seen);
    }

    #hear = () => {
        this.#heard = performance.now();
        this.#asked = null;
    };

    #seen = () => {
        if (!document.hidden) this.#ask();
    };

    #ask() {
        if (this.#socket.readyState !== WebSocket.OPEN) return;
        this.#asked = this.#ticked = performance.now();
        this.#socket.send(ONE_PIXEL);
    }

    #tick = () => {
        const now = performance.now();
        const late = now - this.#ticked > LATE_MS;
        this.#ticked = now;
        if (this.#asked === null ? now - this.#heard > SILENCE_MS : late) {
            this.#ask();
        } else if (this.#asked !== null && now - this.#asked > ANSWER_MS) {
            this.stop();
            this.#dead();
        }
    };
}
