"""Every figure that is shown, in one place: of the site, a run, a period, the mail service."""

from mailings.statistics.site import SiteFigures, site_figures
from mailings.statistics.sums import with_leavers

__all__ = ["SiteFigures", "site_figures", "with_leavers"]
