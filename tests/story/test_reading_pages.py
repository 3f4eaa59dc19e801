"""How a visitor without JavaScript reads a page."""

from __future__ import annotations

from portal.story.pages import Page

SOURCE = """<!doctype html>
<html><head><title>Kitchen – Keys</title><script>var hidden = "Reactor";</script></head>
<body>
<h1>Move <em>Kitchen</em></h1>
<p>From here<br>to there &amp; back.</p>
<noscript>No script runs here.</noscript><template>Not there yet.</template>
<a href="/devices/">My <b>devices</b></a> <a href="edit/">Rename</a>
<form method="post" action="?next=1"><input type="hidden" name="csrfmiddlewaretoken" value="t0k3n">
<select name="organization"><option value="3">The Simpsons</option>
<option value="4" selected>– Household</option></select>
<label><input type="radio" name="relation" value="member" checked> Member</label>
<label><input type="radio" name="relation" value="manager"> Manager</label>
<input type="checkbox" name="sure"><textarea name="why">Too hot</textarea><input name="name" value="Kitchen">
<div class="field-errors" id="id_name_error"><p>Too long.</p></div>
<button type="submit" name="go">Move</button></form>
<form action="/search/"><input name="q"></form>
<div class="secret"><code class="secret-value is-masked">••••</code><form method="post" action="show/"></form></div>
<div class="secret"><code class="big secret-value">C0FPQ9W3ET7A4S2S</code></div>
</body></html>"""


def page() -> Page:
    return Page.read(address="http://portal.test/devices/7/", status=200, source=SOURCE, headers={})


def test_text_is_what_can_be_read() -> None:
    text = page().text
    assert "From here to there & back." in text
    assert "No script runs here." in text
    assert "Reactor" not in text
    assert "Not there yet" not in text


def test_the_title_is_the_heading() -> None:
    assert page().title == "Move Kitchen"


def test_a_link_is_found_by_its_words_and_by_its_address() -> None:
    assert page().link("My devices") == "http://portal.test/devices/"
    assert page().link_to("/7/edit/") == "http://portal.test/devices/7/edit/"
    assert page().link("Delete") is None


def test_a_form_has_what_it_would_send() -> None:
    form = page().form("organization", "name")
    assert form is not None
    assert (form.method, form.address) == ("POST", "http://portal.test/devices/7/?next=1")
    assert form.values == {
        "csrfmiddlewaretoken": "t0k3n",
        "organization": "4",
        "relation": "member",
        "why": "Too hot",
        "name": "Kitchen",
    }
    assert form.choices["organization"] == {"The Simpsons": "3", "– Household": "4"}
    assert set(form.choices["relation"]) == {"member", "manager"}


def test_a_form_without_method_is_a_question() -> None:
    form = page().form("q")
    assert form is not None
    assert (form.method, form.address) == ("GET", "http://portal.test/search/")


def test_errors_are_found_at_their_field() -> None:
    assert page().errors_at("name") == "Too long."
    assert page().errors_at("organization") == ""
    assert page().errors() == ["Too long."]


def test_hidden_keys_are_no_keys_that_are_shown() -> None:
    assert page().secrets() == ["C0FPQ9W3ET7A4S2S"]
    form = page().form_beside_secret()
    assert form is not None
    assert form.address == "http://portal.test/devices/7/show/"


def test_badly_nested_html_is_read_all_the_same() -> None:
    odd = Page.read(address="http://portal.test/", status=200, source="<p>a<b>b</p>c</i></b>d", headers={})
    assert odd.text == "a b c d"
