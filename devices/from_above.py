"""The rules that hold for an organization, its own or those of one above, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from channels.models import RenewalPolicy
from orgs.models import Organization


@dataclass(frozen=True)
class Rule:
    """What holds, where it comes from, and the page where it is changed, if there is one."""

    name: str | Promise
    sentences: list[str]
    url: str


def rules_for(organization: Organization, known: Collection[int]) -> list[Rule]:
    """Return what holds for `organization`, in one query; `known` are the organizations that the reader may know."""
    above = Organization.objects.get_queryset().at_or_above(organization).order_by()
    policies = RenewalPolicy.objects.filter(organization__in=above).select_related("organization")
    sentences = list(_renewal(list(policies.order_by("-organization__level")), organization, known))
    return [Rule(gettext_lazy("Renewal of keys"), sentences, _page("renewal_policy", organization))]


def _renewal(policies: list[RenewalPolicy], organization: Organization, known: Collection[int]) -> Iterable[str]:
    if not policies:
        yield _("By hand: nobody has set a policy, here or above.")
        return
    yield _from(policies[0], organization, known)
    yield from _intervals(policies[0])
    if any(policy.paused for policy in policies):
        yield _("Paused at the moment: nothing is renewed by itself.")


def _from(policy: RenewalPolicy, organization: Organization, known: Collection[int]) -> str:
    if policy.organization_id == organization.pk:
        return _("By a policy of its own, which also holds for all below that have none.")
    if policy.organization_id in known:
        return _("By the policy of {name}, above it.").format(name=policy.organization.name)
    return _("By the policy of an organization above.")


def _intervals(policy: RenewalPolicy) -> Iterable[str]:
    if policy.write_every:
        said = ngettext("Write keys every day.", "Write keys every {count} days.", policy.write_every)
        yield said.format(count=policy.write_every)
    if policy.registration_every:
        said = ngettext(
            "Registration keys every day.", "Registration keys every {count} days.", policy.registration_every
        )
        yield said.format(count=policy.registration_every)
    if policy.read_every:
        said = ngettext("Read keys of people every day.", "Read keys of people every {count} days.", policy.read_every)
        yield said.format(count=policy.read_every)


def _page(name: str, organization: Organization) -> str:
    try:
        return reverse(name, args=[organization.pk])
    except NoReverseMatch:
        return ""
