from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from tests.stranger.models import Person, TicketAnswer

admin.site.register(Person, UserAdmin)
admin.site.register(TicketAnswer)
