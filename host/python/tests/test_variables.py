"""Variables: which of them a connection reads, and that what is hidden is shown nowhere."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

import pytest

from connector_host import ConfigurationErrors, Connector, Failed, Public, Secret
from connector_host._redactor import Redactor
from connector_host.variables import Granted, secret_settings


@pytest.mark.parametrize(
    "text, expected",
    [
        ("plain", "plain"),
        ("a[token]b[token]", "aTbT"),
        ("[[token]", "[token]"),
        ("[missing{fall back}]", "fall back"),
        ("[token{x}]", "T"),
        ("[missing]", None),
        ("http://[::1]:80", "http://[::1]:80"),
        ("[a b]", "[a b]"),
        ("[1x]", "[1x]"),
        ("[token", "[token"),
        ("[missing{}]", ""),
    ],
)
def test_variables_are_found_by_the_rule_of_the_contract(text: str, expected: Optional[str]) -> None:
    assert Granted({"token": "T"}, {"setting": text}, frozenset()).resolved(text) == expected


def test_hidden_values_are_found_in_json_and_within_each_other_and_short_ones_are_not_looked_for() -> None:
    redactor, odd = Redactor(["password", "pass", "abc"], 8), 'pass"w\\ord\n1'
    redactor.hide(odd)
    text = f"abc, {odd}, {json.dumps({'token': odd})}, a password, a pass"
    assert redactor.masked(text) == 'abc, ****, {"token": "****"}, a ****, a ****'


def test_the_values_that_were_read_last_stay_hidden_and_fixed_ones_for_ever() -> None:
    redactor = Redactor(["fixed"], 2)
    for value in ("first", "second", "first", "third"):
        redactor.hide(value)
    assert redactor.masked("fixed first second third") == "**** **** second ****"


def test_every_text_of_an_error_is_masked() -> None:
    error = {"kind": "rejected", "message": "it is s3cret", "status": 422, "code": "s3cret", "pointer": "/s3cret"}
    masked = {**error, "message": "it is ****", "code": "****", "pointer": "/****"}
    assert Redactor(["s3cret"], 1).error(error) == masked


def test_a_variable_is_hidden_unless_it_is_public(fixed: Connector) -> None:
    values = {"plain": "plain-value", "secret": Secret("secret-value"), "public": Public("public-value")}
    with fixed.connect({"greeting": "[plain] [secret] [public]"}, variables=values) as connection:
        assert connection.test().account == "**** **** public-value"


@pytest.mark.parametrize(
    "token, greeting, shown",
    [
        ("[[literal", "say [[literal", "say ****"),
        ("[none{by default}]", "by default", "****"),
        ("[public]", "[public] and [other]", "**** and other-value"),
    ],
)
def test_what_a_secret_setting_holds_is_hidden_literal_or_variable(fixed: Connector, token: str, greeting: str, shown: str) -> None:
    values = {"public": Public("public-value"), "other": Public("other-value")}
    with fixed.connect({"token": token, "greeting": greeting}, variables=values) as connection:
        assert connection.test().account == shown


def test_titles_plans_and_outcomes_are_masked(fixed: Connector) -> None:
    values = {"title": "People", "step": "nothing is sent", "reason": "needs a name"}
    with fixed.connect({"greeting": "[title] [step] [reason]"}, variables=values) as connection:
        assert [each.title for each in connection.list_objects()] == ["****", "Trials"]
        [step] = connection.explain("people").steps
        assert "****" in step and "nothing is sent" not in step
        [outcome] = connection.create("people", [{}])
        assert isinstance(outcome, Failed) and outcome.error.message == "a person ****"


def test_a_look_up_that_fails_is_told_without_its_text(fixed: Connector) -> None:
    def vault(name: str) -> str:
        raise RuntimeError("sealed: token=hvs.SECRET")

    with pytest.raises(ConfigurationErrors, match=r"look-up failed \(RuntimeError\)") as raised:
        fixed.connect({"greeting": "[token]"}, variables=vault)
    assert "SECRET" not in str(raised.value)


def test_a_value_that_is_no_text_is_told(fixed: Connector) -> None:
    values: Dict[str, Any] = {"port": 8080}
    with pytest.raises(ConfigurationErrors, match="no text"):
        fixed.connect({"greeting": "[port]"}, variables=values)


def test_secret_settings_are_found_wherever_a_schema_has_them() -> None:
    schema = {
        "properties": {"token": {"writeOnly": True}, "name": {"writeOnly": False}, "proxy": {"properties": {"password": {"writeOnly": True}}}},
        "$defs": [{"properties": {"key": {"writeOnly": True}}}],
    }
    assert secret_settings(json.dumps(schema)) == {"token", "password", "key"}
    for nonsense in ("[]", "nonsense"):
        with pytest.raises(ValueError):
            secret_settings(nonsense)


def test_texts_of_a_connector_hold_no_control_characters_and_are_not_endless() -> None:
    redactor = Redactor(["s3cret-value"], 1)
    assert redactor.masked("a\x1b[2Jé\nb\x9b of s3cret-value") == "a [2Jé b  of ****"
    long = redactor.masked("x" * 8191 + "é" * 100)
    assert long == "x" * 8191 + "…"
    # A value that lies across the end of what is shown leaves no part behind.
    assert "s3c" not in redactor.masked("x" * 8190 + "s3cret-value")
