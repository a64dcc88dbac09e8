// What the page says: one row for each way a connection can end, and the texts that stand alone.

// The reason of a close with 1000 when the session's socket was replaced by a newer one of the same holder.
const MOVED = "continues on a newer connection";

// What follows a connection's end: `next` is what the page does.
const ENDINGS = {
    1000: { next: "closed", title: "The console was closed" },
    1008: { next: "closed", title: "The console was ended" },
    1011: { next: "failed", title: "The console failed" },
    1012: { next: "return" },
    1013: { next: "busy", title: "A limit is reached" },
};
const LOST = { next: "lost" };
const ELSEWHERE = {
    next: "moved",
    title: "This console continues in another window",
    detail: "Only one window at a time can show it.",
};

// A reason as a sentence; its first letter stays as it is, for it may begin with a name.
function sentence(reason) {
    return !reason || /[.!?…]$/.test(reason) ? reason : `${reason}.`;
}

export function ending({ code, reason }) {
    if (code === 1000 && reason.includes(MOVED)) return ELSEWHERE;
    const row = ENDINGS[code] ?? LOST;
    return { ...row, detail: sentence(reason) };
}

export const NO_TICKET = ["No console here", "Open a console with the link you were given."];
export const NO_REMNANT = ["The console was closed", "To open it again, use a new link."];
export const INSECURE = ["This page needs HTTPS", "The browser keeps what a console needs from pages that were not loaded through HTTPS."];
export const UNREACHABLE = ["The gateway cannot be reached", "The console will open as soon as it answers."];
export const GIVEN_UP = ["The console could not be reached again", "The connection was lost and did not come back."];
export const BROKEN = ["This page has failed", "It met something it was not made for."];
export const no_page = (kind) => [
    "This console has no screen",
    `It is of the kind “${kind}”, which this page cannot show yet. Another client can open it.`,
];
