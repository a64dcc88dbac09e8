"""
The page that the gateway ships, in a real Chromium, on real machines: what they show and what they are sent.
"""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat

from gateway.net import painting
from tests.support.browser import (
    BrowserCase,
    World,
    canvas_picture,
    canvas_point,
    difference,
    picture_of,
    press_foreign_key,
    until_canvas_shows,
)
from tests.support.running import DEADLINE, Gateway, Qemu, Xvnc, need, until

PASSWORD = "pa55word"

KEEP_SOCKETS = """
window.sockets = [];
window.WebSocket = new Proxy(WebSocket, {
    construct(made, more) { const socket = new made(...more); window.sockets.push(socket); return socket; },
});
"""


def furnished_xvnc(world: World, **more: Any) -> Xvnc:
    """An Xvnc with a terminal that writes what is typed to a file, and a window that says what events it gets."""
    for program in ("xterm", "xev", "import", "xdotool"):
        need(program)
    xvnc = world.keep(Xvnc(world.directory, **more), Xvnc.stop)
    typed = world.directory / "typed"
    xvnc.do("xsetroot", "-solid", "steelblue")
    colours = ("-bg", "midnightblue", "-fg", "wheat")
    script = f"echo A terminal of the lab; cat > {typed}"
    xvnc.run("env", "LC_ALL=C.UTF-8", "xterm", *colours, "-geometry", "50x16+0+0", "-e", "sh", "-c", script)
    xvnc.run("xev", "-geometry", "260x200+350+20", "-event", "keyboard", "-event", "button")
    xvnc.wait_for_window("sh")  # what a terminal is called that runs it
    xvnc.wait_for_window("Event Tester")
    return xvnc


class MachineTests(BrowserCase):
    """Xvnc without and with a password, QEMU, and the demo."""

    def furnish(self, world: World) -> None:
        self.start_machines(world)
        password_file = world.directory / "password"
        password_file.write_text(PASSWORD)
        gateway = Gateway(
            f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{world.lab.port}"\n'
            f'[console.locked]\nkind = "vnc"\naddress = "127.0.0.1:{world.locked.port}"\n'
            f'security = {{ type = "vnc", password_file = "{password_file}" }}\n'
            f'[console.diskless]\nkind = "vnc"\naddress = "127.0.0.1:{world.diskless.port}"\n'
            '[console.demo]\nkind = "demo"\n'
        )
        world.gateway = world.keep(gateway, Gateway.clean).start()

    @staticmethod
    def start_machines(world: World) -> None:
        world.lab = furnished_xvnc(world)
        world.locked = world.keep(Xvnc(world.directory, password=PASSWORD, geometry="500x300"), Xvnc.stop)
        world.locked.do("xsetroot", "-mod", "9", "5", "-fg", "navy", "-bg", "wheat")
        world.diskless = world.keep(Qemu(world.directory), Qemu.stop)

    def click(self, page: Any, x: int, y: int, **more: Any) -> None:
        """Click a pixel of the machine's screen."""
        page.mouse.click(*canvas_point(page, x, y), **more)

    def test_xvnc_without_a_password(self) -> None:
        """The canvas shows what X shows."""
        page = self.open("lab")
        until_canvas_shows(page, lambda: picture_of(self.world.lab))
        self.assertGreater(len(canvas_picture(page).getcolors(1 << 20)), 2)
        self.assertEqual(page.inner_text("#name"), "lab")
        self.assertEqual(page.title(), "lab")

    def test_xvnc_with_a_password(self) -> None:
        """The gateway logs in with the password of its file; the page is not asked."""
        page = self.open("locked")
        until_canvas_shows(page, lambda: picture_of(self.world.locked))

    def test_qemu_without_a_disk(self) -> None:
        """QEMU's BIOS text is on the canvas as it is in QEMU's own picture."""
        page = self.open("diskless")
        seen: list[bytes] = []

        def stands_still() -> bool:
            picture = picture_of(self.world.diskless)
            seen.append(picture.tobytes())
            return max(ImageStat.Stat(picture).stddev) > 5 and seen[-2:-1] == seen[-1:]

        until("the BIOS has written its text", stands_still)
        until_canvas_shows(page, lambda: picture_of(self.world.diskless))

    def test_keys(self) -> None:
        """Letters, capitals, signs, Enter and an umlaut arrive as they were typed."""
        page = self.open("lab")
        self.click(page, 100, 100)
        page.keyboard.type("Hello, World! ~@{|}\\")
        press_foreign_key(page, "ä", "Quote")
        press_foreign_key(page, "€", "KeyE")
        page.keyboard.press("Enter")
        typed = self.world.directory / "typed"
        until(f"the line in {typed.read_bytes()!r}", lambda: "Hello, World! ~@{|}\\ä€\n" in typed.read_text())

    def test_ctrl_alt_del(self) -> None:
        """The button sends the three keys, down in order and up again; then the screen has the focus again."""
        page = self.open("lab")
        self.click(page, 480, 100)
        before = len(self.events())
        page.click("#ctrl-alt-del")
        down, up = ("KeyPress", "KeyRelease")
        expected = [(down, "Control_L"), (down, "Alt_L"), (down, "Delete"), (up, "Delete"), (up, "Alt_L")]
        expected.append((up, "Control_L"))
        until(f"the six events among {self.events()[before:]}", lambda: self.events()[before:] == expected)
        page.keyboard.press("q")
        until("a key after it", lambda: (up, "q") in self.events()[before:])

    def test_pointer(self) -> None:
        """Moves and clicks arrive at the pixel they were made at, with the button they were made with."""
        page = self.open("lab")
        for x, y, button, number in ((360, 30, "left", 1), (600, 210, "right", 3), (470, 100, "middle", 2)):
            self.click(page, x, y, button=button)
            word = f"button {number}, same_screen YES"
            until(f"{button} at {x},{y}", lambda at=f"root:({x},{y})", word=word: self.clicked(at, word))
        page.mouse.move(*canvas_point(page, 5, 475))
        until("the pointer is there", lambda: "x:5 y:475" in self.world.lab.do("xdotool", "getmouselocation"))

    def test_wheel(self) -> None:
        """A turn of the wheel arrives as clicks of button 5."""
        page = self.open("lab")
        page.mouse.move(*canvas_point(page, 480, 100))
        page.mouse.wheel(0, 120)
        until("button 5", lambda: "button 5" in self.world.lab.clients[1].output)

    def test_view_only(self) -> None:
        """With a ticket to look, keys, buttons and the pointer do not arrive, and the page offers no keys."""
        self.context.add_init_script(KEEP_SOCKETS)
        page = self.open("lab", rights=["view"])
        until_canvas_shows(page, lambda: picture_of(self.world.lab))
        self.assertTrue(page.is_visible("#view-only"))
        self.assertFalse(page.is_visible("#ctrl-alt-del"))
        before = self.world.lab.clients[1].output
        self.click(page, 480, 100)
        page.keyboard.type("secretly")
        self.send_from_page(page, b"\x04\x01\x00\x00\x00\x00\x00\x78" + b"\x05\x01\x01\xe0\x00\x64")
        actor = self.open("lab")
        self.click(actor, 500, 150)
        actor.keyboard.press("z")
        until("the other's key", lambda: "keysym 0x7a, z" in self.world.lab.clients[1].output[len(before) :])
        after = self.world.lab.clients[1].output[len(before) :]
        self.assertNotIn("root:(480,100)", after)
        self.assertNotIn("keysym 0x78, x", after)
        self.assertNotIn("keysym 0x73, s", after)

    def test_demo(self) -> None:
        """The demo's canvas is what the gateway paints: the time, what was typed, the pointer."""
        page = self.open("demo")
        page.keyboard.type("Typed 42")
        page.mouse.move(*canvas_point(page, 300, 520))
        first = self.until_demo_shows(page, "Typed 42", (300, 520))
        until("the clock goes on", lambda: self.clock_of(canvas_picture(page)) != self.clock_of(first))
        self.until_demo_shows(page, "Typed 42", (300, 520))

    # What tests ask.

    def events(self) -> list[tuple[str, str]]:
        """The key events that xev has told of."""
        found, kind = [], ""
        for line in self.world.lab.clients[1].output.splitlines():
            if "event, serial" in line:
                kind = line.split()[0]
            if "keysym" in line:
                found.append((kind, line.split("keysym")[1].split(",")[1].strip(" )")))
        return found

    def clicked(self, at: str, word: str) -> bool:
        """Whether xev has told of a press and a release of this button there."""
        blocks = self.world.lab.clients[1].output.split("\n\n")
        return all(
            any(block.strip().startswith(kind) and at in block and word in block for block in blocks)
            for kind in ("ButtonPress", "ButtonRelease")
        )

    @staticmethod
    def send_from_page(page: Any, message: bytes) -> None:
        """Have the page's socket send what its own code would not."""
        page.evaluate("bytes => window.sockets.at(-1).send(new Uint8Array(bytes))", list(message))

    def clock_of(self, picture: Image.Image | None) -> bytes:
        assert picture is not None
        x, y, width, height = painting.CLOCK
        return picture.crop((x, y, x + width, y + height)).tobytes()

    def until_demo_shows(self, page: Any, text: str, pointer: tuple[int, int]) -> Image.Image:
        """Wait until the canvas is the demo's screen of one of the last seconds."""

        def shows() -> Image.Image | None:
            picture = canvas_picture(page)
            return picture if picture and self.is_demo(picture, text, pointer) else None

        picture: Image.Image = until(f"the demo with {text!r}", shows)
        return picture

    @staticmethod
    def is_demo(picture: Image.Image, text: str, pointer: tuple[int, int]) -> bool:
        for ago in range(3):
            moment = datetime.datetime.fromtimestamp(time.time() - ago, datetime.UTC)
            screen = painting.DemoScreen()
            screen.show_time(f"{moment:%H:%M:%S}", f"{moment:%A}, {moment.day} {moment:%B %Y}")
            screen.show_lines([text])
            screen.show_pointer(*pointer, 0)
            pixels = screen.part((0, 0, painting.WIDTH, painting.HEIGHT))[4]
            expected = Image.frombytes("RGB", (painting.WIDTH, painting.HEIGHT), pixels)
            if difference(expected, picture) < 0.0001:  # a few pixels of 480,000; one digit of the clock is more
                return True
        return False


class PhotoTests(BrowserCase):
    """A picture with many colours, which Tight sends as JPEG."""

    def furnish(self, world: World) -> None:
        need("display")
        world.lab = world.keep(Xvnc(world.directory, geometry="800x600"), Xvnc.stop)
        photo = world.directory / "photo.png"
        self.paint(photo)
        world.lab.run("display", "-window", "root", str(photo)).process.wait(DEADLINE)
        consoles = f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{world.lab.port}"\n'
        world.gateway = world.keep(Gateway(consoles), Gateway.clean).start()

    @staticmethod
    def paint(path: Path) -> None:
        """Something like a sky with noise: no two pixels alike."""
        across = Image.linear_gradient("L").rotate(90).resize((800, 600))
        down = Image.radial_gradient("L").resize((800, 600))
        noise = Image.effect_noise((800, 600), 40)
        Image.merge("RGB", (ImageChops.add(across, noise, 2), down, ImageChops.invert(across))).save(path)

    def test_jpeg(self) -> None:
        """JPEG rectangles come over the socket, and the canvas shows the photograph that X shows."""
        page = self.open("lab")
        expected = picture_of(self.world.lab)
        self.assertGreater(len(expected.getcolors(1 << 20)), 10_000)
        until("the photograph", lambda: self.mean_difference(page, expected) < 6)
        self.assertIn(b"\xff\xd8\xff", b"".join(self.watch.frames))
        self.assertLess(difference(canvas_picture(page), expected), 0.05)

    @staticmethod
    def mean_difference(page: Any, expected: Image.Image) -> float:
        picture = canvas_picture(page)
        if picture is None or picture.size != expected.size:
            return 255.0
        return max(ImageStat.Stat(ImageChops.difference(picture, expected)).mean)
