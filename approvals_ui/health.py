"""Whether the process is up, and whether it can serve."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ..engine.errors import UsageError
from ..engine.schema import require_current
from .access import Site

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "up"}


@router.get("/readyz")
def readyz(site: Site) -> JSONResponse:
    """The database answers, and its schema is this version's."""
    try:
        site.database.check()
        require_current(site.database)
    except UsageError as error:
        return JSONResponse({"status": "not ready", "error": str(error)}, 503)
    return JSONResponse({"status": "ready"})
