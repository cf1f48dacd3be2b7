"""What the body of an article is made of. Each block has its template in templates/blog/blocks/."""

from django.utils.translation import gettext_lazy as _
from wagtail.blocks import (
    CharBlock,
    ChoiceBlock,
    RichTextBlock,
    StreamBlock,
    StructBlock,
    TextBlock,
)
from wagtail.contrib.typed_table_block.blocks import TypedTableBlock
from wagtail.images.blocks import ImageBlock

INLINE = ["bold", "italic", "link", "code"]
PARAGRAPHS = [*INLINE, "ol", "ul"]


class PictureBlock(StructBlock):
    image = ImageBlock(label=_("Picture"))
    caption = CharBlock(label=_("Caption"), max_length=200, required=False)

    class Meta:
        icon = "image"
        label = _("Picture")
        template = "blog/blocks/picture.html"


class QuoteBlock(StructBlock):
    text = TextBlock(label=_("Text"), rows=3)
    source = CharBlock(label=_("Who says so"), max_length=120, required=False)

    class Meta:
        icon = "openquote"
        label = _("Quote")
        template = "blog/blocks/quote.html"


class CalloutBlock(StructBlock):
    tone = ChoiceBlock(
        label=_("Kind"),
        choices=[("good", _("Advice")), ("wait", _("Warning")), ("note", _("Remark"))],
        default="good",
    )
    title = CharBlock(label=_("First words"), max_length=80, required=False)
    text = RichTextBlock(label=_("Text"), features=INLINE)

    class Meta:
        icon = "info-circle"
        label = _("Callout")
        template = "blog/blocks/callout.html"


class CodeBlock(TextBlock):
    class Meta:
        icon = "code"
        label = _("Code or a server's reply")
        template = "blog/blocks/code.html"


class TableBlock(TypedTableBlock):
    text = RichTextBlock(label=_("Text"), features=INLINE)

    class Meta:
        icon = "table"
        label = _("Table")
        template = "blog/blocks/table.html"


class BodyBlock(StreamBlock):
    heading = CharBlock(
        label=_("Heading"), max_length=120, icon="title", template="blog/blocks/heading.html"
    )
    paragraph = RichTextBlock(label=_("Text"), features=PARAGRAPHS)
    picture = PictureBlock()
    quote = QuoteBlock()
    callout = CalloutBlock()
    table = TableBlock()
    code = CodeBlock()
