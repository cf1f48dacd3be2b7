"""Put our home page at `/` and an empty blog at `/blog/`, in place of Wagtail's welcome page."""

from django.conf import settings
from django.db import migrations
from django.utils import timezone

TITLES = {"ru": ("Главная", "Блог"), "en": ("Home", "Blog")}
ROOT_PATH = "0001"  # treebeard's: four characters a level
HOME_PATH = "00010001"
BLOG_PATH = "000100010001"


def make_pages(apps, schema_editor):
    Page = apps.get_model("wagtailcore", "Page")
    Site = apps.get_model("wagtailcore", "Site")
    # With its site, which points to it. Only Wagtail's own page is meant, nobody's content.
    Page.objects.filter(
        depth=2, slug="home", content_type__app_label="wagtailcore", content_type__model="page"
    ).delete()
    if Page.objects.filter(path=HOME_PATH).exists():
        return  # somebody has built a site before this migration; it stays
    now = timezone.now()
    home_title, blog_title = TITLES.get(settings.LANGUAGE_CODE, TITLES["en"])
    shared = {"first_published_at": now, "last_published_at": now, "locale": _locale(apps)}
    home = apps.get_model("home", "HomePage").objects.create(
        title=home_title,
        draft_title=home_title,
        slug="home",
        url_path="/home/",
        path=HOME_PATH,
        depth=2,
        numchild=1,
        show_in_menus=False,
        content_type=_content_type(apps, "home", "homepage"),
        **shared,
    )
    apps.get_model("blog", "BlogIndexPage").objects.create(
        title=blog_title,
        draft_title=blog_title,
        slug="blog",
        url_path="/home/blog/",
        path=BLOG_PATH,
        depth=3,
        numchild=0,
        show_in_menus=True,
        content_type=_content_type(apps, "blog", "blogindexpage"),
        **shared,
    )
    Page.objects.filter(path=ROOT_PATH).update(numchild=1)
    Site.objects.create(
        hostname="localhost", root_page_id=home.pk, is_default_site=True, site_name="Vestnik"
    )


def remove_pages(apps, schema_editor):
    Page = apps.get_model("wagtailcore", "Page")
    Page.objects.filter(path__startswith=HOME_PATH).delete()
    Page.objects.filter(path=ROOT_PATH).update(numchild=0)


def _locale(apps):
    Locale = apps.get_model("wagtailcore", "Locale")
    locale = Locale.objects.filter(language_code=settings.LANGUAGE_CODE).first()
    return locale or Locale.objects.first()


def _content_type(apps, app_label, model):
    # Made after all migrations by a signal; the rows are needed now.
    return apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=app_label, model=model
    )[0]


class Migration(migrations.Migration):
    dependencies = [
        ("home", "0001_initial"),
        ("blog", "0001_initial"),
        ("wagtailcore", "0098_apitoken"),
    ]

    operations = [migrations.RunPython(make_pages, remove_pages)]
