// Copies what the page loads out of node_modules into vendor/, with its licences, and drops the rest.
// Run by `npm run vendor` after `npm ci`; vendor/ appears whole or not at all.

import { cpSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const fresh = join(here, "vendor.new");
const wanted = {
    "@novnc/novnc": {
        as: "novnc",
        files: ["core", "vendor", "package.json", "AUTHORS", "LICENSE.txt", "docs/LICENSE.MPL-2.0", "docs/LICENSE.BSD-3-Clause"],
    },
};

rmSync(fresh, { recursive: true, force: true });
for (const [name, { as, files }] of Object.entries(wanted)) {
    for (const file of files) {
        const target = join(fresh, as, file);
        mkdirSync(dirname(target), { recursive: true });
        cpSync(join(here, "node_modules", name, file), target, { recursive: true });
    }
}
rmSync(join(here, "vendor"), { recursive: true, force: true });
renameSync(fresh, join(here, "vendor"));
rmSync(join(here, "node_modules"), { recursive: true, force: true });
