"""The rules that hold for an organization, its own or those of one above, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.models import RenewalPolicy
from devices.models import RegistrationPolicy
from devices.policy_words import intervals
from orgs.models import Organization

NEW_DEVICES = {
    RegistrationPolicy.Admits.ALL: gettext_lazy("Every device with a good registration key is let in."),
    RegistrationPolicy.Admits.APPROVED: gettext_lazy("They wait until a manager lets them in."),
    RegistrationPolicy.Admits.EXPECTED: gettext_lazy("Those are let in whose serial number was entered beforehand."),
    RegistrationPolicy.Admits.NONE: gettext_lazy("None is let in. Those that are known keep working."),
}


@dataclass(frozen=True)
class Rule:
    """What holds, in sentences, and the page where it is changed, if there is one."""

    name: str | Promise
    sentences: list[str]
    url: str = ""


def rules_for(organization: Organization, known: Collection[int]) -> list[Rule]:
    """Return what holds for `organization`, in two queries; `known` are the organizations that the reader may know."""
    above = Organization.objects.get_queryset().at_or_above(organization).order_by()
    policies = RenewalPolicy.objects.filter(organization__in=above).select_related("organization")
    renewal = list(_renewal(list(policies.order_by("-organization__level")), organization, known))
    # They are let in or not by the customer as a whole.
    new_devices = RegistrationPolicy.objects.filter(customer__tree_id=organization.tree_id).first()
    admits = new_devices.admits if new_devices else RegistrationPolicy.Admits.ALL
    return [
        Rule(gettext_lazy("Renewal of keys"), renewal, reverse("renewal_policy", args=[organization.pk])),
        Rule(
            gettext_lazy("New devices"),
            [str(NEW_DEVICES[RegistrationPolicy.Admits(admits)])],
            reverse("registration_policy", args=[organization.pk]) if organization.is_customer else "",
        ),
    ]


def _renewal(policies: list[RenewalPolicy], organization: Organization, known: Collection[int]) -> Iterable[str]:
    if not policies:
        yield _("By hand: nobody has set a policy, here or above.")
        return
    yield _from(policies[0], organization, known)
    yield from intervals(policies[0])
    if any(policy.paused for policy in policies):
        yield _("Paused at the moment: nothing is renewed by itself.")


def _from(policy: RenewalPolicy, organization: Organization, known: Collection[int]) -> str:
    if policy.organization_id == organization.pk:
        return _("By a policy of its own, which also holds for all below that have none.")
    if policy.organization_id in known:
        return _("By the policy of {name}, above it.").format(name=policy.organization.name)
    return _("By the policy of an organization above.")
