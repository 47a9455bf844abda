"""`python -m infra.docs_site` builds the pages of `/docs`."""

from infra.docs_site import build

print(build())
