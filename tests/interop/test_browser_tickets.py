"""
What the page makes of tickets in a real Chromium: reloads, several tabs, and refusals said in words.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from PIL import Image

from tests.support.browser import (
    BrowserCase,
    World,
    canvas_picture,
    picture_of,
    until_canvas_shows,
    until_card,
    until_state,
)
from tests.support.running import Gateway, Xvnc, free_port, need, until

PASSWORD = "pa55word"


class TicketTests(BrowserCase):
    """A demo, two small Xvncs, one that changes its password, and a machine that is not there."""

    def furnish(self, world: World) -> None:
        for program in ("xsetroot", "import"):
            need(program)
        world.left, world.right = self.small(world, "tomato"), self.small(world, "seagreen")
        world.moody_port = free_port()
        password_file = world.directory / "password"
        password_file.write_text(PASSWORD)
        consoles = {"left": world.left.port, "right": world.right.port, "moody": world.moody_port, "away": free_port()}
        tables = [f'[console.{name}]\nkind = "vnc"\naddress = "127.0.0.1:{port}"\n' for name, port in consoles.items()]
        tables[2] += f'security = {{ type = "vnc", password_file = "{password_file}" }}\n'
        gateway = Gateway(
            "".join(tables)
            + '[console.demo]\nkind = "demo"\n[console.line]\nkind = "serial"\naddress = "127.0.0.1:9"\n',
            more="[limits]\nsessions_per_user = 1\n",
        )
        world.gateway = world.keep(gateway, Gateway.clean).start()

    @staticmethod
    def small(world: World, colour: str) -> Xvnc:
        xvnc = world.keep(Xvnc(world.directory, geometry="320x240"), Xvnc.stop)
        xvnc.do("xsetroot", "-mod", "7", "3", "-fg", colour, "-bg", "black")
        return xvnc

    def left_shows(self) -> Image.Image:
        return picture_of(self.world.left)

    def right_shows(self) -> Image.Image:
        return picture_of(self.world.right)

    # Reloads.

    def test_reload(self) -> None:
        """F5 continues the same session on a new connection; the address holds no ticket, and the ticket is spent."""
        made = self.gateway.mint("left")
        page = self.visit(made["urls"]["page"], "Connected")
        until_canvas_shows(page, self.left_shows)
        until("the ticket leaves the address", lambda: page.url == f"{self.gateway.url}/console/")
        (before,) = self.sessions_of(made["id"])
        page.reload()
        until_state(page, "Connected")
        until_canvas_shows(page, self.left_shows)
        (after,) = self.sessions_of(made["id"])
        self.assertEqual((after["id"], before["generation"], after["generation"]), (before["id"], 1, 2))
        self.assertEqual(page.url, f"{self.gateway.url}/console/")
        self.assertEqual([url for url in self.watch.requests if made["ticket"] in url], [])

        thief = self.world.browser.new_context(ignore_https_errors=True)
        self.addCleanup(thief.close)
        found_in_history = thief.new_page()
        found_in_history.goto(made["urls"]["page"])
        until_card(found_in_history, "This ticket was used already")

    def test_another_link_in_the_same_tab(self) -> None:
        """A tab that shows one console opens another by its link, and Back leads to the first again."""
        first, second = self.gateway.mint("left"), self.gateway.mint("right")
        page = self.visit(first["urls"]["page"], "Connected")
        until_canvas_shows(page, self.left_shows)
        page.goto(second["urls"]["page"])
        until("the second one's name", lambda: page.inner_text("#name") == "right")
        until_state(page, "Connected")
        until_canvas_shows(page, self.right_shows)
        page.go_back()
        until("the first one's name", lambda: page.inner_text("#name") == "left")
        until_state(page, "Connected")
        until_canvas_shows(page, self.left_shows)
        self.assertEqual(len(self.sessions_of(first["id"])), 1)

    def test_same_link_twice(self) -> None:
        """The link of a console that this tab holds continues it: the holder's retry takes no use."""
        made = self.gateway.mint("left")
        page = self.visit(made["urls"]["page"], "Connected")
        page.goto("about:blank")
        page.goto(made["urls"]["page"])
        until_state(page, "Connected")
        self.assertEqual([session["generation"] for session in self.sessions_of(made["id"])], [2])

    # Several tabs.

    def test_two_tabs(self) -> None:
        """Two consoles in two tabs of one profile do not disturb each other, whichever is reloaded."""
        left, right = self.open("left"), self.open("right")
        for reloaded in (None, left, right):
            if reloaded is not None:
                reloaded.reload()
                until_state(reloaded, "Connected")
            until_canvas_shows(left, self.left_shows)
            until_canvas_shows(right, self.right_shows)
            self.assertEqual((left.inner_text("#name"), right.inner_text("#name")), ("left", "right"))
        self.assertIn("Connected", left.text_content("#state"))

    def test_duplicated_tab(self) -> None:
        """A duplicate takes the console over; the old tab says so, and takes it back when asked to."""
        made = self.gateway.mint("left")
        page = self.visit(made["urls"]["page"], "Connected")
        twin = self.duplicate(page)
        until_state(twin, "Connected")
        until_state(page, "In another window")
        until_card(page, "This console continues in another window", "Take it back")
        page.screenshot(path="pictures/moved.png")
        page.get_by_role("button", name="Take it back").click()
        until_state(page, "Connected")
        until_canvas_shows(page, self.left_shows)
        until_state(twin, "In another window")
        self.assertEqual(len(self.sessions_of(made["id"])), 1)

    def duplicate(self, page: Any) -> Any:
        """What the browser's command of that name makes: a tab with the same storage and history entry."""
        with self.context.expect_page() as opened:
            page.evaluate("() => { window.open(location.href); }")
        twin = opened.value
        until_card(twin, "No console here")
        twin.evaluate("state => history.replaceState(state, '')", page.evaluate("history.state"))
        twin.reload()
        return twin

    # Refusals in words.

    def refused(self, url: str, *words: str, state: str = "Refused") -> Any:
        page = self.visit(url, state)
        until_card(page, *words)
        return page

    def test_unknown(self) -> None:
        """A ticket that never was."""
        self.refused(f"{self.gateway.url}/console/#{'x' * 43}", "This ticket opens nothing", "Ask for a new one")

    def test_none(self) -> None:
        """No ticket at all."""
        self.refused(f"{self.gateway.url}/console/", "No console here", "link you were given", state="Closed")

    def test_spent(self) -> None:
        """A ticket that somebody else has used."""
        made = self.gateway.mint("demo")
        self.assertEqual(self.gateway.redeem(made["ticket"], "S" * 43).status, 200)
        page = self.refused(made["urls"]["page"], "This ticket was used already", "Ask for a new one")
        self.assertFalse(page.is_visible("#card-action"))

    def test_expired(self) -> None:
        """A ticket that nobody used in time."""
        made = self.gateway.mint("demo", ttl=1)
        expires = datetime.fromisoformat(made["expires_at"]).timestamp()
        until("the ticket expires", lambda: time.time() > expires)
        self.refused(made["urls"]["page"], "This ticket has expired", "not used in time")

    def test_withdrawn(self) -> None:
        """A ticket that an operator withdrew before it was used."""
        made = self.gateway.mint("demo")
        self.assertEqual(self.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}").status, 204)
        self.refused(made["urls"]["page"], "This ticket was withdrawn")

    def test_revoked_live(self) -> None:
        """A session that an operator ends: the page says so, keeps the picture, and no reload brings it back."""
        made = self.gateway.mint("left")
        page = self.visit(made["urls"]["page"], "Connected")
        until_canvas_shows(page, self.left_shows)
        self.assertEqual(self.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}").status, 204)
        until_card(page, "The console was ended", "An operator ended this session")
        until_state(page, "Closed")
        self.assertTrue(page.is_visible("#still"))
        page.screenshot(path="pictures/revoked.png")
        page.reload()
        until_card(page, "The console was closed", "use a new link")

    def test_disconnect(self) -> None:
        """The button ends the session for good; a ticket with another use opens it again."""
        made = self.gateway.mint("left", uses=2)
        page = self.visit(made["urls"]["page"], "Connected")
        page.click("#disconnect")
        until_card(page, "The console was closed", "Open again")
        until("the session ends", lambda: not self.sessions_of(made["id"]))
        self.assertEqual([line["ending"] for line in self.audit_of(made["id"])], ["finished"])
        page.get_by_role("button", name="Open again").click()
        until_state(page, "Connected")
        until_canvas_shows(page, self.left_shows)

    def test_over_limit(self) -> None:
        """One console too many: said in words, and open after another try once there is room."""
        made = self.gateway.mint("demo", user="greedy")
        first = self.visit(made["urls"]["page"], "Connected")
        second = self.visit(self.gateway.mint("left", user="greedy")["urls"]["page"], "Not now")
        until_card(second, "Too many at once", "Close one, or try again later")
        second.screenshot(path="pictures/over-limit.png")
        first.click("#disconnect")
        until_state(first, "Closed")
        until("the session of the first ends", lambda: not self.sessions_of(made["id"]))
        second.get_by_role("button", name="Try again").click()
        until_state(second, "Connected")

    def test_unreachable(self) -> None:
        """A machine that does not answer and one that refuses the log-in: in words, without their addresses."""
        away = self.visit(self.gateway.mint("away")["urls"]["page"], "Connecting to away")
        refusing = Xvnc(self.world.directory, password="0ther", geometry="320x240", port=self.world.moody_port)
        self.addCleanup(refusing.stop)
        made = self.gateway.mint("moody", uses=3)
        moody = self.visit(made["urls"]["page"], "Failed")
        until_card(moody, "The console failed", "could not be reached", "Try again")
        refusing.stop()
        mended = Xvnc(self.world.directory, password=PASSWORD, geometry="320x240", port=self.world.moody_port)
        self.addCleanup(mended.stop)
        moody.get_by_role("button", name="Try again").click()
        until_state(moody, "Connected")
        until("its screen", lambda: canvas_picture(moody))
        until_card(away, "The console failed", "could not be reached", "Try again")
        away.screenshot(path="pictures/unreachable.png")
        for page in (away, moody):
            self.assertNotIn("127.0.0.1", page.content())

    def test_no_screen(self) -> None:
        """A serial line has no page: the page says so to whoever makes one up."""
        made = self.gateway.mint("line")
        self.assertNotIn("page", made["urls"])
        self.refused(f"{self.gateway.url}/console/#{made['ticket']}", "This console has no screen", state="Not shown")

    def test_gateway_away(self) -> None:
        """A gateway that answers nothing more: in words; and the console opens when it answers again."""
        made = self.gateway.mint("demo")
        page = self.context.new_page()
        page.route("**/api/v1/redeem", lambda route: route.abort())
        page.goto(made["urls"]["page"])
        until_card(page, "The gateway cannot be reached", "Try again")
        page.unroute("**/api/v1/redeem")
        page.get_by_role("button", name="Try again").click()
        until_state(page, "Connected")

    def audit_of(self, ticket_id: str) -> list[Any]:
        return [line for line in self.gateway.audit() if line["ticket_id"] == ticket_id]
