// The console page's story: redeem the ticket, connect, and come back when the connection is lost.
// The elements are in view.js, the API in gateway.js, one connection in link.js; here is only what follows what.

import { Problem, Unreachable, open_socket, redeem, session } from "./gateway.js";
import { Link } from "./link.js";
import { Tab } from "./tab.js";
import { View } from "./view.js";
import * as words from "./words.js";

const SCREENS = ["vnc", "mks", "webmks", "demo"];

const DELAYS_MS = [0, 500, 1000, 2000, 4000, 5000];
const JITTER_MS = 250;          // a node that goes away sends all its clients off at once
const BUSY_MS = 5000;
const GIVE_UP_MS = 150_000;     // longer than the gateway's resume_window is by default
const STEADY_MS = 5000;         // a connection that lasted so long ends a row of failures

const view = new View();
let tab;
let grant = null;
let link = null;
let hurry = () => {};
let left = false;

// Resolves when there is a better time: the network is back, or the page is looked at.
function better_time() {
    return new Promise((resolve) => { hurry = resolve; });
}

// Resolves after the delay, or at a better time before that.
function pause(milliseconds) {
    return Promise.race([better_time(), new Promise((resolve) => { setTimeout(resolve, milliseconds); })]);
}

// The session: of the ticket in the address, or the one this tab has held before.
async function enter() {
    if (!tab.ticket) return session(tab.secret);
    try {
        return await redeem(tab.ticket, await tab.holder());
    } catch (problem) {
        if (!problem.session_ended) throw problem;
        tab.renew();
        return redeem(tab.ticket, await tab.holder());
    }
}

// Asks until there is a session; what stands in the way is said in words.
async function admitted() {
    for (;;) {
        if (!tab.ticket && !tab.secret) {
            view.state("rest", "Closed");
            await view.card(...(tab.known ? words.NO_REMNANT : words.NO_TICKET));
        }
        view.state("busy", "Opening…");
        try {
            const answer = await enter();
            if (tab.ticket) tab.spent(history, location);
            return answer;
        } catch (problem) {
            await refused(problem);
        }
    }
}

async function refused(problem) {
    if (problem instanceof Unreachable) {
        view.state("bad", "No answer");
        return view.card(...words.UNREACHABLE, "Try again", better_time());
    }
    if (!(problem instanceof Problem)) throw problem;
    view.state("bad", problem.passing ? "Not now" : "Refused");
    if (problem.session_ended && !tab.ticket) tab.forget();
    return view.card(problem.title, problem.detail, problem.passing ? "Try again" : null);
}

// One connection, up to its end.
async function connection() {
    link = new Link(open_socket(tab.secret), view.screen(), grant.rights, {
        up: () => { view.state("good", "Connected"); link.focus(); },
        painted: () => view.drop_picture(),
        text: (text) => view.copied(text),
    });
    const end = await link.ended;
    view.keep_picture(link.canvas);
    return end;
}

// Whether the session is worth another try. A refused upgrade tells a page nothing, so the API is asked.
async function alive() {
    try {
        grant = await session(tab.secret);
        return true;
    } catch (problem) {
        if (problem instanceof Unreachable || (problem instanceof Problem && problem.passing)) return true;
        if (!(problem instanceof Problem)) throw problem;
        if (problem.session_ended && tab.ticket) return false;
        await refused(problem);
        return false;
    }
}

// Connects, and again whenever the connection is lost, until something else is the matter; that is returned.
async function attended() {
    let attempt = 0;
    let since = performance.now();
    view.state("busy", `Connecting to ${grant.console}…`);
    while (!left) {
        const end = await connection();
        const ending = words.ending(end);
        if (ending.next !== "lost" && ending.next !== "return") return ending;
        if (end.lasted > STEADY_MS) {
            attempt = 0;
            since = performance.now();
        } else if (performance.now() - since > GIVE_UP_MS) {
            return { next: "given up", title: words.GIVEN_UP[0], detail: words.GIVEN_UP[1] };
        }
        const delay = DELAYS_MS[Math.min(attempt, DELAYS_MS.length - 1)];
        attempt += 1;
        view.state("lost", `Connection lost — reconnecting (${attempt})…`);
        await pause(delay + (ending.next === "return" ? Math.random() * JITTER_MS : 0));
        if (!left && !end.opened && !await alive()) return { next: "enter" };
    }
    return words.ending({ code: 1000, reason: "" });
}

// What the user is told about an ending, and offered.
async function after({ next, title, detail }) {
    switch (next) {
        case "closed":
            view.state("rest", "Closed");
            tab.forget();
            await view.card(title, detail || (tab.ticket ? "" : words.NO_REMNANT[1]), tab.ticket ? "Open again" : null);
            tab.renew();
            break;
        case "failed":
            view.state("bad", "Failed");
            await view.card(title, detail, "Try again");
            break;
        case "given up":
            view.state("bad", "No answer");
            await view.card(title, detail, "Try again", better_time());
            break;
        case "busy":
            view.state("bad", "Waiting");
            await view.card(title, detail, "Try now", pause(BUSY_MS));
            break;
        case "moved":
            view.state("rest", "In another window");
            await view.card(title, detail, "Take it back");
            break;
    }
}

async function main() {
    if (!window.isSecureContext) {
        view.state("bad", "Refused");
        return view.card(...words.INSECURE);
    }
    tab = await Tab.of(location, history);
    for (;;) {
        left = false;
        grant = await admitted();
        view.console(grant);
        if (!SCREENS.includes(grant.kind)) {
            view.state("rest", "Not shown");
            return view.card(...words.no_page(grant.kind));
        }
        await after(await attended());
    }
}

view.serve({
    ctrl_alt_del: () => link?.ctrl_alt_del(),
    paste: (text) => link?.paste(text),
    focus: () => link?.focus(),
    disconnect: () => { left = true; link?.leave(); hurry(); },
});
window.addEventListener("online", () => hurry());
document.addEventListener("visibilitychange", () => { if (!document.hidden) hurry(); });
// Another ticket put into the address of an open page, a step back to another console of this tab (its address is the
// same, its history entry is not), and a page that comes out of the browser's drawer begin anew.
window.addEventListener("hashchange", () => location.reload());
window.addEventListener("popstate", () => location.reload());
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
main().catch((error) => {
    view.state("bad", "Failed");
    view.card(...words.BROKEN, "Load it again").then(() => location.reload());
    throw error;
});
