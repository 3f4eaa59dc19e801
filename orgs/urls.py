"""Addresses of organizations, people and invitations. Pages that also show devices are in `devices.urls`."""

from django.urls import path

from orgs import views, views_invitations, views_people

urlpatterns = [
    path("people/", views_people.people, name="people"),
    path("people/invite/", views_invitations.choose_place, name="invite_somewhere"),
    path("people/invited/", views_invitations.invited, name="invited"),
    path("people/invited/resend/", views_invitations.resend_several, name="invitations_resend"),
    path("organizations/<int:pk>/new/", views.new, name="organization_new"),
    path("organizations/<int:pk>/new-several/", views.new_several, name="organizations_new"),
    path("organizations/<int:pk>/unmake/", views.unmake, name="organizations_unmake"),
    path("organizations/<int:pk>/edit/", views.edit, name="organization_edit"),
    path("organizations/<int:pk>/invite/", views_invitations.invite, name="invite"),
    path("organizations/<int:pk>/invite-several/", views_invitations.invite_several, name="invite_several"),
    path("invited/<int:pk>/resend/", views_invitations.resend, name="invitation_resend"),
    path("invited/<int:pk>/withdraw/", views_invitations.withdraw, name="invitation_withdraw"),
    path("invited/<int:pk>/restore/", views_invitations.restore, name="invitation_restore"),
    path("invitations/asked/", views_invitations.asked, name="invitation_asked"),
    path("invitations/<str:token>/ask/", views_invitations.ask_again, name="invitation_ask"),
    path("invitations/<str:token>/", views_invitations.invitation, name="invitation"),
]
