from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PlatformConfig(AppConfig):
    name = "channels.platform"
    verbose_name = _("Built-in channel platform")
    label = "platform"
