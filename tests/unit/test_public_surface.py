import streamapp

PUBLIC = ["Pipeline", "Predictions", "__version__"]


def test_the_public_names_are_these() -> None:
    assert sorted(streamapp.__all__) == sorted(PUBLIC)


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in streamapp.__all__:
        assert getattr(streamapp, name).__doc__
