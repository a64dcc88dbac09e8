// What this tab keeps so that a reload continues: the secret S a session is held with.
//
// The ticket itself is never stored. A secret lies in sessionStorage under a digest of its ticket, and which one this
// page uses stands in history.state: two frames of one tab share the storage, but not the history entry.

const PREFIX = "consolegw.held.";
const SECRET_BYTES = 32;

// A frame of another site may have no storage at all; then the history entry itself keeps the secret through reloads.
function kept(key) {
    try {
        return window.sessionStorage.getItem(key);
    } catch {
        return window.history.state?.[key] ?? null;
    }
}

function keep(key, value) {
    try {
        window.sessionStorage.setItem(key, value);
    } catch {
        window.history.replaceState({ ...window.history.state, [key]: value }, "");
    }
}

function drop(key) {
    try {
        window.sessionStorage.removeItem(key);
    } catch {
        window.history.replaceState({ ...window.history.state, [key]: null }, "");
    }
}

function base64url(bytes) {
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function digest(text) {
    return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

// The ticket of the address: 43 characters, or a sealed one of up to 4 KiB (with the dots of a JWE).
function ticket_of(fragment) {
    return /^#[A-Za-z0-9_.-]{20,4096}$/.test(fragment) ? fragment.slice(1) : null;
}

export class Tab {
    #key;

    constructor(ticket, key) {
        this.ticket = ticket;
        this.#key = key;
        this.secret = key && kept(key);
    }

    // The tab as the address and the history entry describe it.
    static async of(location, history) {
        const ticket = ticket_of(location.hash);
        const key = ticket ? PREFIX + await digest(`tab:${ticket}`) : history.state?.held;
        const tab = new Tab(ticket, typeof key === "string" && key.startsWith(PREFIX) ? key : null);
        if (ticket && !tab.secret) tab.renew();
        return tab;
    }

    // Whether this tab has held a console before, or is about to.
    get known() {
        return this.#key !== null;
    }

    // A new secret, for a new session.
    renew() {
        this.secret = base64url(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
        keep(this.#key, this.secret);
    }

    async holder() {
        return digest(this.secret);
    }

    // The ticket is spent: only now may it leave the address, which the browser's history keeps.
    spent(history, location) {
        history.replaceState({ ...history.state, held: this.#key }, "", location.pathname);
    }

    // The session has ended; its secret is good for nothing.
    forget() {
        drop(this.#key);
        this.secret = null;
    }
}
