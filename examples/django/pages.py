"""A Django site as the service `pages`, in one file.

uvicorn pages:application          # ASGI, with muster.asgi
gunicorn pages:wsgi                # WSGI, with the hooks in gunicorn.conf.py

An agent has to run: `muster agent`.
"""

from __future__ import annotations

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

import muster

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="not for production")


def front(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"page": "front"})


def healthy(request: HttpRequest) -> HttpResponse:
    return HttpResponse("well")


urlpatterns = [path("", front), path("healthz", healthy)]

application = muster.asgi(get_asgi_application(), "pages")
wsgi = get_wsgi_application()
