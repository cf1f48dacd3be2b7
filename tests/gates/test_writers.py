"""Only services write clients, lists, messages, drafts, mailings and entries of the stop-list
(docs/decisions/0061).

The gate reads the source, so it knows what a name is only by what stands there: a model's name in
the expression; a variable, parameter, attribute or loop over something that is one of them by its
annotation or assignment; `self.object` and `get_queryset()` of a class with `model = …`; the result
of a function of ours that is annotated with one; the names of relations (`run.mailing`,
`owner.clients`). It does not see through `getattr`, dictionaries, untyped parameters, or tables
whose names are put together in SQL; SQL that spells a table out it sees. A status is moved by
`StatefulQuerySet.move`, wherever a state machine's step is: that is no write here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("accounts", "blog", "home", "mailings", "site_config", "benchmarks")

GUARDED = (
    "Client",
    "ClientList",
    "Segment",
    "Message",
    "MessageDraft",
    "Mailing",
    "Suppression",
    "SubscribeForm",
    "ConsentText",
    "Consent",
)

WRITERS = {
    "mailings/clients/services.py": "one client or list",
    "mailings/clients/segments/services.py": "segments",
    "mailings/clients/bulk.py": "many clients by a few statements, by the same rules",
    "mailings/clients/importing/writing.py": "clients of a file: what the plan has checked",
    "mailings/subscribing/services.py": "subscribe forms",
    "mailings/subscribing/preferences.py": "why a person leaves, in their words",
    "mailings/consents/ledger.py": "lines of the ledger are added, and forgotten with time",
    "mailings/models/subscribing.py": "the rows themselves: what `save` refuses",
    "mailings/suppression/services.py": "the stop-list by hand: onto it and off it",
    "mailings/suppression/stop_list.py": "what the engine learns of an address",
    "mailings/suppression/unsubscribing.py": "what a person says by the link of a letter",
    "mailings/messages/services.py": "messages",
    "mailings/messages/drafts.py": "drafts, and the version that somebody writes over",
    "mailings/campaigns/services.py": "what a mailing goes through, from schedule to deletion",
    "mailings/campaigns/editing.py": "what a mailing is: made and changed",
    "mailings/user_deletion.py": "the use case that lets all of a user's rows go",
    "mailings/delivery/runs/planning.py": "the engine counts a mailing's runs on",
    "mailings/models/client.py": "the rows themselves: what `save` and `delete` do",
    "home/demo/history.py": "a past that no use case can make: dates back, runs that were",
    "home/volume.py": "rows by the hundred thousand, for figures; never sent",
    "benchmarks/database.py": "clients to measure with, a hundred thousand by one statement",
    "benchmarks/segments.py": "cities and entries of the stop-list, to measure with",
    "benchmarks/director.py": "rows to measure with, before there are clients to check against",
}

WRITES = {
    "create", "acreate", "bulk_create", "update_or_create", "get_or_create", "save", "asave",
    "save_base", "delete", "adelete", "update", "aupdate", "bulk_update", "_raw_delete",
}  # fmt: skip
MEMBERSHIP = {"set", "add", "remove", "clear"}
"""What changes the other side of these relations is a change of the row, too."""
MANY_TO_MANY = {
    "clients", "lists", "segments", "excluded_lists", "excluded_segments", "excluded_clients",
}  # fmt: skip
RELATIONS = {
    "client": "Client", "clients": "Client", "excluded_clients": "Client",
    "lists": "ClientList", "client_lists": "ClientList", "excluded_lists": "ClientList",
    "client_list": "ClientList", "segments": "Segment", "excluded_segments": "Segment",
    "segment": "Segment", "message": "Message", "messages": "Message",
    "message_drafts": "MessageDraft", "drafts": "MessageDraft",
    "mailing": "Mailing", "mailings": "Mailing", "follow_ups": "Mailing",
    "suppressions": "Suppression",
}  # fmt: skip
FETCHES = {"owned", "visible", "get_object_or_404", "list", "iter", "next", "sorted", "reversed",
           "copy", "cast", "type", "set", "tuple", "islice"}  # fmt: skip
"""Functions that return what they are given, or rows of it."""
HOLDERS = {"QuerySet", "StatefulQuerySet", "Manager", "list", "tuple", "set", "Iterable",
           "Iterator", "Sequence", "Collection", "Optional", "type"}  # fmt: skip
"""Types whose argument is what they hold; a form or a view of a row is not the row."""
MANAGERS = {"objects", "_default_manager", "_base_manager", "through"}
OF_A_VIEW = {"object", "get_object", "get_queryset", "instance"}
SQL = tuple(
    f"{verb} mailings_{table}{end}"
    for verb in ("insert into", "update", "delete from")
    for table in map(str.lower, GUARDED)
    for end in (" ", "(", "\n")
)


class Finding(NamedTuple):
    line: int
    text: str


PARTS: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Subscript: ("value",), ast.Await: ("value",), ast.Starred: ("value",),
    ast.NamedExpr: ("value",), ast.BoolOp: ("values",), ast.List: ("elts",), ast.Tuple: ("elts",),
    ast.IfExp: ("body", "orelse"), ast.BinOp: ("left", "right"), ast.ListComp: ("elt",),
    ast.SetComp: ("elt",), ast.GeneratorExp: ("elt",),
}  # fmt: skip
"""What an expression is made of: it is a row, or holds some, if one of these is."""


def parts_of(node: ast.expr) -> Iterator[ast.expr]:
    for name in PARTS.get(type(node), ()):
        part = getattr(node, name)
        yield from part if isinstance(part, list) else [part]


def annotated(node: ast.expr | None) -> bool:
    """Return whether an annotation is one of the guarded models, or holds rows of it."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in GUARDED
        case ast.Constant(value=str(text)):
            return annotated(ast.parse(text, mode="eval").body)
        case ast.BinOp(left=left, right=right):
            return annotated(left) or annotated(right)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=held):
            parts = held.elts if isinstance(held, ast.Tuple) else [held]
            return name in HOLDERS and any(map(annotated, parts))
    return False


def returning(trees: list[ast.Module]) -> set[str]:
    """Return the names of our functions whose result is annotated with a guarded model."""
    return {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and annotated(node.returns)
    }


class Scope:
    """What is known of names: those of a function, of the class and the module around it."""

    def __init__(self, functions: set[str], names: set[str], own: set[str]) -> None:
        self.functions, self.names, self.own = functions, set(names), own
        """`own`: attributes of `self` that are guarded."""

    def is_row(self, node: ast.expr) -> bool:
        """Return whether the expression is a guarded model, a row or rows of it."""
        match node:
            case ast.Name(id=name):
                return name in GUARDED or name in self.names
            case ast.Attribute(value=value, attr=attr):
                return attr in RELATIONS or self._is_row_under(value, attr)
            case ast.Call(func=func, args=args):
                return self._returns_row(func, args)
        return any(map(self.is_row, parts_of(node)))

    def _is_row_under(self, value: ast.expr, attr: str) -> bool:
        if isinstance(value, ast.Name) and value.id == "self":
            return attr in self.own
        return attr in MANAGERS and self.is_row(value)

    def _returns_row(self, func: ast.expr, args: list[ast.expr]) -> bool:
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        if name == "super":
            return name in self.own
        if name in self.functions or (name in FETCHES and any(map(self.is_row, args))):
            return True
        # A model that makes a row, or a method of a manager, a queryset, a row.
        return self.is_row(func) or (isinstance(func, ast.Attribute) and self.is_row(func.value))

    def learn(self, function: ast.AST) -> None:
        """Learn the names that are bound to rows; twice, for those that stand on later ones."""
        for _round in range(2):
            for node in ast.walk(function):
                match node:
                    case ast.arg(arg=name, annotation=note) if annotated(note):
                        self.names.add(name)
                    case ast.AnnAssign(target=target, annotation=note) if annotated(note):
                        self.bind(target)
                    case ast.Assign(targets=targets, value=value) if self.is_row(value):
                        for target in targets:
                            self.bind(target)
                    case ast.NamedExpr(target=target, value=value) if self.is_row(value):
                        self.bind(target)
                    case (
                        ast.For(target=target, iter=value)
                        | ast.comprehension(target=target, iter=value)
                    ) if self.is_row(value):
                        self.bind(target)

    def bind(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.names.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=attr):
                self.own.add(attr)
            case ast.Tuple(elts=parts):
                for part in parts:
                    self.bind(part)


def attributes_of(node: ast.ClassDef) -> set[str]:
    """Return which attributes of a class's instances are guarded rows."""
    found = set()
    for line in node.body:
        match line:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=note) if annotated(note):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id="model")], value=ast.Name(id=name)) if (
                name in GUARDED
            ):
                found |= OF_A_VIEW
            case ast.ClassDef(name="Meta"):
                found |= attributes_of(line) & {"instance"}
    if node.name in GUARDED or any(annotated(base) for base in node.bases):
        found.add("super")
    return found


def writes(tree: ast.Module, functions: set[str]) -> list[Finding]:
    """Return where the module writes guarded rows."""
    module = Scope(functions, set(), set())
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            module.learn(node)
    return list(_writes_in(tree, module))


def _writes_in(node: ast.AST, scope: Scope) -> Iterator[Finding]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.ClassDef):
            inner = Scope(scope.functions, scope.names, attributes_of(child))
            for method in child.body:  # what one method gives `self`, another one writes
                Scope(inner.functions, inner.names, inner.own).learn(method)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = Scope(scope.functions, scope.names, scope.own)
            inner.learn(child)
        if finding := _write(child, scope):
            yield finding
        yield from _writes_in(child, inner)


def _write(node: ast.AST, scope: Scope) -> Finding | None:
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            is_write = attr in WRITES and scope.is_row(value)
            is_membership = (
                attr in MEMBERSHIP
                and isinstance(value, ast.Attribute)
                and value.attr in MANY_TO_MANY
            )
            if is_write or is_membership:
                return Finding(node.lineno, ast.unparse(node))
        case ast.Constant(value=str(text)) if text.lower().strip().startswith(SQL):
            return Finding(node.lineno, text)
    return None


def sources() -> dict[str, ast.Module]:
    return {
        str(file.relative_to(ROOT)): ast.parse(file.read_text())
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in file.parts
    }


SAMPLES = [
    "Client.objects.create(owner=owner)",
    "Client.objects.filter(owner=owner).update(comment='')",
    "ClientList.objects.get_or_create(owner=owner, name='A')",
    "permissions.owned(Message, user).delete()",
    "Client(owner=owner).save()",
    "def act(mailing: Mailing) -> None:\n    mailing.save(update_fields=['name'])",
    "def act(rows: QuerySet[Mailing]) -> None:\n    rows.filter(pk=1).update(name='')",
    "def act(one: 'Client | None') -> None:\n    one.delete()",
    "def act(user):\n    for row in permissions.owned(Client, user):\n        row.save()",
    "def act(user):\n    rows = Mailing.objects.all()\n    rows.order_by('pk')[0].delete()",
    (
        "def act(pk):\n    found = get_object_or_404(permissions.owned(Message, user), pk=pk)\n"
        "    found.save()"
    ),
    "def act(run):\n    run.mailing.save()",
    "def act(owner):\n    owner.clients.filter(pk=1)._raw_delete('default')",
    "def act(mailing):\n    mailing.lists.set([])",
    "def act(client):\n    made = fetch(client)\n    made.save()",
    (
        "class Page(View):\n    model = Message\n    def post(self, request):\n"
        "        self.object.delete()"
    ),
    (
        "class Page(View):\n    model = Message\n    def post(self, request):\n"
        "        row = self.get_object()\n        row.save()"
    ),
    "class Act:\n    row: Mailing\n    def act(self):\n        self.row.save()",
    (
        "class Act:\n    def __init__(self, pk):\n        self.row = Client.objects.get(pk=pk)\n"
        "    def act(self):\n        self.row.delete()"
    ),
    "def act(cursor):\n    cursor.execute('UPDATE mailings_client SET comment = %s', [''])",
    "def act():\n    Client.objects.bulk_create(Client(email=x) for x in ())",
    "def act(pk):\n    if row := Client.objects.filter(pk=pk).first():\n        row.delete()",
]

HARMLESS = [
    "Import.objects.create(owner=owner)",
    "def act(form: ModelForm[Message]) -> None:\n    form.save()",
    "def act(names: set[str]) -> None:\n    names.update(['a'])",
    "def act(mailing: Mailing) -> None:\n    values = {}\n    values.update(name=mailing.name)",
    "def act(user):\n    return Client.objects.filter(owner=user).count()",
    "def act(proof: Proof) -> None:\n    proof.delete()",
    (
        "class Page(View):\n    model = Import\n    def post(self, request):\n"
        "        self.object.delete()"
    ),
    "def act(cursor):\n    cursor.execute('INSERT INTO mailings_clientlist_clients VALUES (1)')",
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_gate_sees(sample):
    assert len(writes(ast.parse(sample), {"fetch"})) == 1


@pytest.mark.parametrize("sample", HARMLESS)
def test_the_gate_lets_pass(sample):
    assert writes(ast.parse(sample), {"fetch"}) == []


def test_only_services_write_clients_messages_and_mailings():
    trees = sources()
    functions = returning(list(trees.values()))
    found = [
        f"{file}:{line}: {text}"
        for file, tree in trees.items()
        if file not in WRITERS
        for line, text in writes(tree, functions)
    ]
    assert found == []


def test_each_writer_has_something_to_write():
    """One that is no longer needed is taken off the list."""
    trees = sources()
    functions = returning(list(trees.values()))
    idle = [file for file in WRITERS if file not in trees or not writes(trees[file], functions)]
    assert idle == []
