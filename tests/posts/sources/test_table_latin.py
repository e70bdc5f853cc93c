"""Titles of many languages and encodings: Western unless another is clearly meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.posts.sources.table_latin import LATIN, WESTERN, guess, list_words

WEST = {
    "Italian": "Perché la felicità è così semplice|Ho già preparato il caffè|Non c’è più tempo, "
    "però ci provo|Novità in arrivo venerdì|Che bontà questa pizza|Università di Bologna",
    "Swedish": "Så här gör du kanelbullar|Äntligen fredag|Min första dag i Göteborg|En promenad "
    "längs ån|Köp två, betala för en|Årets julklapp är här",
    "Portuguese": "Não acredito que isso aconteceu|A melhor receita de pão|Férias na praia com a "
    "família|Uma canção para o coração|Às vezes é difícil|Três lições da avó|Põe mais açúcar",
    "Icelandic": "Góðan daginn öll sömul|Ég fór á fjöllin í gær|Það er gott veður|Þetta er besta "
    "kaffið|Fallegt útsýni yfir þorpið|Hæ, hvað segirðu|Bærinn okkar|Ævintýri á Íslandi",
    "French": "L’été à la plage|Voilà ma première vidéo|Où êtes-vous ?|Les fêtes de Noël|Ça va "
    "être génial|Le château sous la neige|Drôle de façon|Œufs à la coque|Cœur brisé",
    "German": "Schöne Grüße aus München|Mein Video für euch|Das größte Straßenfest|Wer möchte "
    "kochen?|Über den Dächern|Süße Katzen|Übung macht den Meister",
    "Danish": "Så er det forår i København|Rødgrød med fløde|Min nye cykel er på vej|Æblekage "
    "efter mormor|Vi ses på lørdag|Håber I får en dejlig dag|Kærlighed",
    "Spanish": "El niño comió la piñata|Mañana será un día genial|¿Qué opinas de esta canción?|"
    "Año nuevo|Ningún pingüino en mi jardín|¡Feliz cumpleaños, mamá!",
    "Finnish": "Tänään syödään mökillä|Hyvää huomenta|Kissani nukkuu sängyssä|Äidin paras|Yö "
    "järven rannalla|Öljyä ja vettä",
    "Dutch": "Eén dag zonder telefoon|Financiële tips|Ideeën voor het weekend|Coördinatie|Reünie "
    "met vrienden|Geïnteresseerd in België",
    "Catalan": "La cançó més bonica|Què fem demà?|Això és Barcelona|Nit màgica|Llengües|Família",
}
OTHERS = {
    "Polish": "Dzień dobry wszystkim|Najlepszy przepis na pączki|Dziękuję za życzenia|Mój pies "
    "śpi cały dzień|Łódź nocą|Już jutro coś|Pierwszy śnieg w górach",
    "Czech": "Nejlepší recept na svíčkovou|Můj pes spí|Západ slunce nad řekou|První sníh|Včera "
    "jsme byli v Brně|Těšíme se na léto|Děkuji za zprávy",
    "Hungarian": "Gyönyörű naplemente|Hová menjünk nyáron?|Az első hó|Köszönöm az üzeneteket|"
    "Főzzünk őszi levest|Tűz és víz|Egy nő és a kert|Új erdő|Hős fiú|Esős idő",
    "Croatian": "Najljepši zalazak|Što ćemo raditi ljeti?|Želim vam večeru|Kuća snova|Čaj i "
    "kolači|Đaci u školi|Noć u Šibeniku",
    "Romanian": "Bună dimineaţa|Cea mai bună reţetă|Câinele meu|Prima zăpadă|Mulţumesc|Îmi place|"
    "Şcoala începe mâine|Viaţa e frumoasă|O seară plăcută",
    "Lithuanian": "Geriausias šaltibarščių receptas|Mano šuo miega visą dieną|Saulėlydis prie "
    "jūros|Kur važiuosime vasarą?|Ačiū už jūsų žinutes|Mėgstu šią dainą",
    "Latvian": "Labākā kūku recepte|Mans suns guļ|Saulriets pie jūras|Kur brauksim vasarā?|"
    "Paldies par jūsu ziņām|Šodien ēdam pīrāgus|Skaista diena Rīgā|Kāpēc ne|Ceļš",
    "Turkish": "Köpeğim bütün gün uyuyor|Güneş batımı çok güzel|Yazın nereye?|Dağlarda ilk kar|"
    "İyi geceler|Teşekkürler|Bu şarkıyı seviyorum|Işıklar|Arkadaşlarla kahvaltı|Çağrı",
}
CENTRAL = ("Polish", "Czech", "Hungarian", "Croatian", "Romanian")
CASES = [
    *((language, WESTERN) for language in WEST),
    *((language, "cp1250") for language in CENTRAL),
    *((language, "iso8859_2") for language in CENTRAL),
    *((language, "cp1257") for language in ("Lithuanian", "Latvian")),
    ("Turkish", "cp1254"),
    *((language, "mac_roman") for language in WEST if language != "Icelandic"),
    *((language, "cp850") for language in WEST),
    *((language, "cp437") for language in ("German", "Spanish", "Swedish", "Italian")),
]


def find_words(text, encoding):
    """The words that are not ASCII, as bytes."""
    if encoding in ("cp437", "cp850"):
        text = text.replace("’", "'").replace("Œ", "oe").replace("œ", "oe")
    return list_words(text.replace("|", " ").encode(encoding))


@pytest.mark.parametrize(("language", "encoding"), CASES)
def test_words_tell_the_encoding(language, encoding):
    words = find_words((WEST | OTHERS)[language], encoding)
    found = guess(words)
    texts = [word.decode(encoding) for word in words]
    assert [word.decode(found.encoding, errors="replace") for word in words] == texts
    assert found.share > 0.9
    assert not found.is_doubtful


@given(
    languages=st.sets(st.sampled_from(sorted(WEST)), min_size=1, max_size=2),
    data=st.data(),
)
def test_any_few_western_titles_are_western(languages, data):
    titles = [title for language in sorted(languages) for title in WEST[language].split("|")]
    chosen = data.draw(st.lists(st.sampled_from(titles), min_size=1))
    assert guess(find_words(" ".join(chosen), WESTERN)).encoding == WESTERN


@pytest.mark.parametrize("name", ["McÉtienne", "BeÄngel", "YouTubeÉ"])
def test_a_capital_inside_of_one_name_changes_no_encoding(name):
    words = find_words(f"{WEST['French']} {name}", WESTERN)
    assert guess(words).encoding == WESTERN


def test_what_is_of_no_language_has_no_share():
    words = "Привет мир это моя первая запись".encode("cp1251").split()
    assert guess(words).share < 0.6
    assert guess([]).share == 0


def test_every_encoding_is_pythons():
    assert all("a".encode(name) == b"a" for name in LATIN)
