// The gateway's API as far as a holder of a console needs it, and the address of its socket.
// All addresses come from where this module was loaded from; nothing in the page's address can change them.

const API = new URL("../../api/v1/", import.meta.url);
const SOCKET = new URL("../socket", import.meta.url);
SOCKET.protocol = SOCKET.protocol.replace("http", "ws");

const ANSWER_WITHIN_MS = 15000; // opening may have to ask a hypervisor first

// The gateway did not answer.
export class Unreachable extends Error {}

// The gateway said no, in words (RFC 9457).
export class Problem extends Error {
    constructor(status, body) {
        super(body?.title ?? "The gateway could not do this");
        this.status = status;
        this.type = String(body?.type ?? "");
        this.title = String(body?.title ?? "The gateway could not do this");
        this.detail = String(body?.detail ?? (body?.title ? "" : `It answered with status ${status}.`));
    }

    get session_ended() {
        return this.type.endsWith("session-ended");
    }

    // Whether the same question may get another answer a little later.
    get passing() {
        return this.status === 429 || this.status >= 500;
    }
}

async function call(path, options) {
    let response;
    try {
        response = await fetch(new URL(path, API), {
            cache: "no-store",
            credentials: "omit",
            redirect: "error",
            signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
            ...options,
        });
    } catch {
        throw new Unreachable();
    }
    const body = await response.json().catch(() => null);
    if (!response.ok || body === null) throw new Problem(response.status, body);
    return body;
}

// Turns a ticket into a session of the holder; the same holder may ask again and gets the same session.
export function redeem(ticket, holder) {
    return call("redeem", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ticket, holder }),
    });
}

// The session held with a secret, if it still lives.
export function session(secret) {
    return call("session", { headers: { Authorization: `Grant ${secret}` } });
}

export function open_socket(secret) {
    return new WebSocket(SOCKET, ["binary", `grant.${secret}`]);
}
