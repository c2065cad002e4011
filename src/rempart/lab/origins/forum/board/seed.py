"""Fills the forum: ``python -m board.seed`` once, before it serves. The same posts every time.

Members, forums, topics and posts are made by the applications' own models; the search index by Haystack's
own command.
"""

from __future__ import annotations

import os
import random

MEMBERS, TOPICS, POSTS = 60, 240, 3_000
FORUMS = ("Vegetables", "Roses", "Trees", "Compost", "Tools", "Wild corners", "Greenhouses", "Balconies")
WORDS = """
garden soil water sun shade seed root leaf frost spring summer autumn winter bed border hedge
lawn path fence shed spade rake hoe barrow pot peat bark mulch slug snail bee robin aphid mildew
rust blight tomato bean pea leek onion carrot beet kale chard lettuce radish apple pear plum
cherry quince currant chair lamp table rug mug shelf blue oak small wool tea warm early late cut
sow plant dig turn prune tie
""".split()  # noqa: SIM905 — read as a list of words


def text(chosen: random.Random, words: int) -> str:
    """Sentences of this many words together, some of them rare."""
    drawn = [
        chosen.choice(WORDS) + ("" if chosen.random() < 0.9 else str(chosen.randrange(200)))
        for _ in range(words)
    ]
    return ". ".join(" ".join(drawn[at : at + 12]).capitalize() for at in range(0, words, 12)) + "."


def fill() -> None:
    """All tables."""
    from django.contrib.auth.models import User
    from django.db import transaction
    from machina.core.db.models import get_model

    forum_model, topic_model = get_model("forum", "Forum"), get_model("forum_conversation", "Topic")
    post_model = get_model("forum_conversation", "Post")
    permission = get_model("forum_permission", "ForumPermission")
    granted = get_model("forum_permission", "UserForumPermission")
    chosen = random.Random("forum")
    with transaction.atomic():
        members = [User.objects.create(username=f"member{number}") for number in range(MEMBERS)]
        category = forum_model.objects.create(name="Gardening", type=forum_model.FORUM_CAT)
        forums = [
            forum_model.objects.create(name=name, parent=category, type=forum_model.FORUM_POST)
            for name in FORUMS
        ]
        for codename in ("can_see_forum", "can_read_forum"):
            # Of no forum in particular: of all.
            granted.objects.create(
                permission=permission.objects.get(codename=codename), anonymous_user=True, has_perm=True
            )
        topics = []
        for number in range(TOPICS):
            topic = topic_model(
                forum=forums[number % len(forums)], poster=chosen.choice(members), approved=True,
                subject=text(chosen, 5)[:-1], type=topic_model.TOPIC_POST, status=topic_model.TOPIC_UNLOCKED,
            )  # fmt: skip
            topic.slug = f"topic-{number + 1}"
            topics.append(topic)
        topic_model.objects.bulk_create(topics)
        posts = [
            post_model(
                topic=topics[number % TOPICS], poster=chosen.choice(members), approved=True,
                subject=topics[number % TOPICS].subject, content=text(chosen, chosen.randrange(30, 160)),
            )
            for number in range(POSTS)
        ]  # fmt: skip
        post_model.objects.bulk_create(posts, batch_size=500)
        for number, topic in enumerate(topics):
            own = posts[number::TOPICS]
            topic.first_post, topic.last_post, topic.posts_count = own[0], own[-1], len(own)
            topic.last_post_on = own[-1].created
        topic_model.objects.bulk_update(topics, ["first_post", "last_post", "posts_count", "last_post_on"])
        for forum in forums:
            forum.update_trackers()


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{__package__}.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    fill()
    call_command("update_index", verbosity=0)


if __name__ == "__main__":
    main()
