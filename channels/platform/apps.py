from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PlatformConfig(AppConfig):
    name = "channels.platform"
    label = "platform"
    verbose_name = _("Built-in platform")

    def ready(self) -> None:
        from channels.platform.plans import plans

        plans()  # A malformed plan stops the start, not the first device.
