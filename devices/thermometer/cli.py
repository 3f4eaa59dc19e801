"""The command line: `configure`, `run`, `show` and `fleet`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import requests

from devices.serials import check_serial
from devices.thermometer.clock import SystemClock
from devices.thermometer.configure import CannotConfigure, run_dialogue, say
from devices.thermometer.durable import AlreadyRunning, Lock
from devices.thermometer.fleet import Fleet, derivation
from devices.thermometer.outbox import Outbox
from devices.thermometer.registrar import DAY
from devices.thermometer.running import Ending, run_all
from devices.thermometer.sensor import OPENWEATHERMAP, InventedRoom, OpenWeatherMap, Sensor
from devices.thermometer.state import NotConfigured, State, StateStore, StateUnreadable, check_period
from devices.thermometer.thermometer import Thermometer, lock_beside, outbox_beside

DEFAULT_STATE = Path("var/thermometer.json")
DEFAULT_FLEET = Path("var/thermometers")
_PROGRAM = "python -m devices.thermometer"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: done, or stopped by a signal. 1: measurements are left unsent. 2: nothing was done; the reason is on stderr.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
        return status
    except NotConfigured as error:
        return _refuse(f"{error} Set it up with: {_PROGRAM} configure --state {options.state}")
    except (CannotConfigure, StateUnreadable, AlreadyRunning, ValueError) as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return _refuse("Stopped. Nothing was changed.")
    except OSError as error:
        return _refuse(f"{error.filename or 'A file'}: {error.strerror or 'cannot be used'}.")


def _refuse(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="A thermometer made of software.")
    commands = parser.add_subparsers(required=True, metavar="command")

    configure = commands.add_parser("configure", help="set registration key, portal, period and place")
    configure.add_argument("--state", type=Path, default=DEFAULT_STATE, help="state file (default: %(default)s)")
    configure.add_argument("--registration-key", metavar="KEY", help="as the portal shows it: HQ481047-1JWORF43")
    configure.add_argument("--portal", metavar="ADDRESS", help="for example http://localhost:8080")
    configure.add_argument("--serial", help="burned in at the first time; made up if not given")
    configure.add_argument("--period", metavar="SECONDS", help="between two measurements, at least 1")
    configure.add_argument("--place", help="where it hangs; OpenWeatherMap gives the temperature of this place")
    configure.add_argument("--yes", action="store_true", help="ask nothing: take flags, what was set, and defaults")
    configure.add_argument(
        "--discard-unsent", action="store_true", help="throw measurements away that are not sent yet"
    )
    configure.set_defaults(command=run_dialogue)

    run = commands.add_parser("run", help="register, measure, and write to the channel")
    run.add_argument("--state", type=Path, default=DEFAULT_STATE, help="state file (default: %(default)s)")
    how_many = run.add_mutually_exclusive_group()
    how_many.add_argument("--once", action="store_const", const=1, dest="count", help="one measurement, then stop")
    how_many.add_argument("--count", type=_at_least_one, metavar="N", help="N measurements, then stop")
    _running_flags(run)
    run.set_defaults(command=_run)

    show = commands.add_parser("show", help="say what the thermometer knows, without secrets")
    show.add_argument("--state", type=Path, default=DEFAULT_STATE, help="state file (default: %(default)s)")
    show.set_defaults(command=_show)

    fleet = commands.add_parser("fleet", help="run many thermometers in one process")
    fleet.add_argument("--count", type=_at_least_one, required=True, metavar="N", help="how many thermometers")
    fleet.add_argument("--registration-key", required=True, metavar="KEY", help="for all of them")
    fleet.add_argument("--portal", required=True, metavar="ADDRESS")
    fleet.add_argument("--serial-prefix", default="fleet-", help="followed by 001, 002, … (default: %(default)s)")
    fleet.add_argument("--period", type=_period, default=15.0, metavar="SECONDS", help="default: 15")
    fleet.add_argument("--place", default="Springfield", help="default: %(default)s")
    fleet.add_argument("--state-dir", type=Path, default=DEFAULT_FLEET, help="one file each (default: %(default)s)")
    fleet.add_argument("--count-measurements", type=_at_least_one, metavar="M", help="each takes M, then stops")
    _running_flags(fleet)
    fleet.set_defaults(command=_fleet)
    return parser


def _running_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after this time")
    parser.add_argument("--seed", help="same seed, same invented temperatures (default: the serial number)")
    parser.add_argument("--poll", type=float, default=DAY, metavar="SECONDS", help="between two looks for a new key")
    parser.add_argument("--verbose", action="store_true", help="show every request")
    parser.add_argument(
        "--openweathermap-key",
        default=os.environ.get("OPENWEATHERMAP_KEY"),
        metavar="KEY",
        help="measure the real weather (default: OPENWEATHERMAP_KEY; without one, temperatures are invented)",
    )
    parser.add_argument("--openweathermap-url", default=OPENWEATHERMAP, metavar="ADDRESS", help="default: %(default)s")


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def _period(text: str) -> float:
    try:
        return check_period(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError("must be a number of seconds from 1 to 86400") from None


def _run(options: argparse.Namespace) -> int:
    _start_log(logging.DEBUG if options.verbose else logging.INFO)
    StateStore.load(options.state)  # before the lock, so that nothing is left behind where nothing is configured
    with Lock(lock_beside(options.state)):
        store = StateStore.load(options.state)
        thermometer = Thermometer(
            store, sensor=_sensor(options, store.state), count=options.count, poll_every=options.poll
        )
        ending = run_all([thermometer], seconds=options.seconds)
        return _end([thermometer], ending)


def _fleet(options: argparse.Namespace) -> int:
    _start_log(logging.DEBUG if options.verbose else logging.WARNING)
    check_serial(f"{options.serial_prefix}{options.count:03}")
    fleet = Fleet(
        folder=options.state_dir,
        registration_key=options.registration_key,
        portal=options.portal,
        period=options.period,
        place=options.place,
    )
    with ExitStack() as locks:
        thermometers = []
        for number in range(1, options.count + 1):
            store = fleet.member(f"{options.serial_prefix}{number:03}", locks)
            thermometers.append(
                Thermometer(
                    store,
                    sensor=_sensor(options, store.state),
                    count=options.count_measurements,
                    poll_every=options.poll,
                    derive=derivation,
                )
            )
        say(f"{len(thermometers)} thermometers, state in {options.state_dir}. Stop with Ctrl-C.")
        ending = run_all(thermometers, seconds=options.seconds, report=lambda: say(_summary(thermometers)))
        return _end(thermometers, ending)


def _sensor(options: argparse.Namespace, state: State) -> Sensor:
    if options.openweathermap_key:
        return OpenWeatherMap(
            requests.Session(),
            key=options.openweathermap_key,
            place=state.place,
            clock=SystemClock(),
            base_url=options.openweathermap_url,
        )
    return InventedRoom(f"{options.seed} {state.serial}" if options.seed is not None else state.serial)


def _end(thermometers: Sequence[Thermometer], ending: Ending) -> int:
    unsent = sum(len(thermometer.outbox) for thermometer in thermometers)
    say(_summary(thermometers))
    status = 1 if unsent and not ending.was_stopped else 0
    if not ending.is_clean:
        # A thread is inside a request that may last ten seconds more. Its files are safe at any instant, so leave.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _summary(thermometers: Sequence[Thermometer]) -> str:
    measured = sum(thermometer.measured for thermometer in thermometers)
    stored = sum(thermometer.delivery.delivered for thermometer in thermometers)
    waiting = sum(len(thermometer.outbox) for thermometer in thermometers)
    registered = sum(thermometer.store.state.credentials is not None for thermometer in thermometers)
    return f"{registered} of {len(thermometers)} registered; {measured} measured, {stored} stored, {waiting} waiting."


def _show(options: argparse.Namespace) -> int:
    state = StateStore.load(options.state).state
    unsent = len(Outbox(outbox_beside(options.state), read_only=True))
    say(f"serial number     {state.serial}")
    say(f"portal            {state.portal}")
    say(f"registration key  {state.registration.lookup}-…")
    say(f"place, period     {state.place}, {state.period:g} s")
    if state.credentials is None:
        say("channel           none yet")
    else:
        say(f"channel           {state.credentials.channel}, key version {state.credentials.key_version}")
    if state.previous is not None:
        until = f"{state.previous.valid_until:%Y-%m-%d %H:%M} UTC" if state.previous.valid_until else "an unknown time"
        say(f"previous key      of channel {state.previous.channel}, good until {until}")
    say(f"unsent            {unsent}")
    return 0


def _start_log(level: int) -> None:
    log = logging.getLogger("devices.thermometer")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.handlers = [handler]
    log.setLevel(level)
    log.propagate = False
