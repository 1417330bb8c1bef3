"""A class that nobody registered could neither be asked for nor read back: every command and event is in its table."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

from courtroom.hearing import commands, events


def classes_of(package: ModuleType, kind: type) -> set[type]:
    """Every subclass of ``kind`` that a module of the package defines."""
    modules = [import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)]
    return {
        found
        for module in modules
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, kind) and found is not kind and found.__module__ == module.__name__
    }


def test_every_command_is_a_clients_or_an_observation_and_never_both() -> None:
    clients, observed = set(commands.COMMANDS.values()), set(commands.OBSERVATIONS)
    assert clients | observed == classes_of(commands, commands.Command)
    assert not clients & observed


def test_every_event_can_be_read_back_by_its_name() -> None:
    assert set(events.EVENTS.values()) == classes_of(events, events.Event)
    assert all(events.wire_name(kind) == name for name, kind in events.EVENTS.items())


@pytest.mark.parametrize(("package", "kind"), [(commands, commands.Command), (events, events.Event)])
def test_the_package_gives_out_every_class_of_its_modules(package: ModuleType, kind: type) -> None:
    assert {one.__name__ for one in classes_of(package, kind)} <= set(package.__all__)
