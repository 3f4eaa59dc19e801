from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "channels.platform"
    label = "platform"

    def ready(self) -> None:
        from channels.platform.plans import plans

        plans()  # A malformed plan stops the start, not the first device.
