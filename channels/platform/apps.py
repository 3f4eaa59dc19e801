from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "channels.platform"
    label = "platform"
