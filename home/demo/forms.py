"""A form by which the bookshop's readers subscribe."""

from accounts.models import User
from mailings.models import ClientList, SubscribeForm
from mailings.subscribing import services
from mailings.subscribing.questions import Kind, Question
from mailings.subscribing.services import FormInput

SLUG = "knizhny-dvor"


def load_form(owner: User) -> None:
    if SubscribeForm.objects.filter(slug=SLUG).exists():
        return
    data = FormInput(
        name="Форма на сайте",
        slug=SLUG,
        language="ru",
        title="Письма «Книжного двора»",
        intro="Раз в неделю – новинки, встречи с авторами и скидки для своих.",
        button="Подписаться",
        questions=[
            Question(name="city", label="Ваш город"),
            Question(
                name="жанр",
                label="Что вы читаете?",
                kind=Kind.CHOICE,
                choices=("романы", "детективы", "фантастику", "детям"),
            ),
        ],
        lists=list(ClientList.objects.filter(owner=owner).order_by("name")),
        lets_choose=True,
        consent=(
            "Даю согласие получать письма «Книжного двора» с новостями и предложениями и хранить"
            " для этого мой адрес и то, что я здесь напишу. Отписаться можно в каждом письме."
        ),
        policy_url="https://knigi.example/policy",
    )
    services.create_form(data=data, owner=owner, by=owner)
