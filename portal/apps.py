from django.apps import AppConfig
from django.contrib.admin import apps as admin


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from portal import account_events, library_words, log_ins

        log_ins.connect()
        account_events.connect()
        library_words.name()


class OperatorsConfig(admin.AdminConfig):
    """Django's administration with a site of our own; settings name it."""

    default = False
    default_site = "portal.site.OperatorsSite"
