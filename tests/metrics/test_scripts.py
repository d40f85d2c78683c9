"""A fact that is told is told in every script, and is not found inside other words. Right values: of the languages."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.metrics.choice import parse_choice
from smllmun_bench.metrics.match import MAX_WORDS, cloze_strict, exact, key_fact, keyword_share
from smllmun_bench.metrics.scripts import count_words
from smllmun_bench.metrics.states import Broken, State, answer_state, meaningful
from smllmun_bench.metrics.text import contains
from smllmun_bench.schema import Kind

TOLD = [
    ("她住在北京。", "北京"),
    ("她住在北京市", "北京"),
    ("তিনি ঢাকায় থাকেন", "ঢাকা"),
    ("রহিমের বাড়ি", "রহিম"),
    ("அவர் சென்னையில் வசிக்கிறார்", "சென்னை"),
    ("ఆమె హైదరాబాద్\u200cలో ఉంటుంది", "హైదరాబాద్"),
    ("તે અમદાવાદમાં રહે છે", "અમદાવાદ"),
    ("ती मुंबईत राहते", "मुंबई"),
    ("അവൾ കൊച്ചിയിൽ താമസിക്കുന്നു", "കൊച്ചി"),
    ("Լյուսին ապրում է Երևանում", "Երևան"),
    ("ის თბილისში ცხოვრობს", "თბილისი"),
    ("της Αθήνας", "Αθήνα"),
    ("她的生日是1985年5月3日。", "1985年5月3日"),
    ("他在红星医院工作", "红星医院"),
    ("她住在New York", "New York"),
    ("她住在New York很多年了", "New York"),
    ("她1985年出生", "1985"),
    ("一只猫", "猫"),
    ("红色", "红"),
    ("她是一名护士。", "护士"),
    ("马克·吐温写的", "马克·吐温"),
    ("北京、上海、广州", "上海"),
    ("我叫王明白天上班", "王明"),
    ("大阪に住んでいます。", "大阪"),
    ("佐藤さんは医者です", "佐藤"),
    ("彼は歌手です", "歌手"),
    ("パリに住む", "パリ"),
    ("「京都」です", "京都"),
    ("佐々木さんは先生です", "佐々木"),
    ("ﾊﾟﾘに住んでいる", "パリ"),
    ("１９８５年生まれ", "1985"),
    ("한지우는 서울에 살아요.", "서울"),
    ("그는 의사입니다", "의사"),
    ("간호사예요", "간호사"),
    ("서울특별시에 살아요", "서울"),
    ("1985년생", "1985"),
    ("New York에 살아요", "New York"),
    ("뉴욕에서 일해요", "뉴욕"),
    ("부산까지는 멀어요", "부산"),
    ("그는 왕이다", "왕"),
    ("เธออาศัยอยู่ที่เชียงใหม่", "เชียงใหม่"),
    ("นภาอาศัยอยู่ที่นี่", "นภา"),
    ("เขาเป็นครู", "ครู"),
    ("อยู่ที่ลำปางค่ะ", "ลำปาง"),
    ("ในกรุงเทพฯ", "กรุงเทพ"),
    ("เกิดปี ๑๙๘๕", "1985"),
    ("เขาทำงานที่Google", "Google"),
    ("ຢູ່ວຽງຈັນ", "ວຽງຈັນ"),
    ("នៅភ្នំពេញ", "ភ្នំពេញ"),
    ("ရန်ကုန်မှာနေတယ်", "ရန်ကုန်"),
    ("يعيش في الرياض", "رياض"),
    ("يعيش بالرياض", "الرياض"),
    ("للقاهرة", "القاهرة"),
    ("وباريس", "باريس"),
    ("يعمل طبيبًا", "طبيب"),
    ("اسمها أَحْمَد", "احمد"),
    ("ولد عام ١٩٨٥", "1985"),
    ("אני גר בתל אביב", "תל אביב"),
    ("הוא מירושלים", "ירושלים"),
    ("ושבפריז", "פריז"),
    ("वह दिल्ली में रहती है।", "दिल्ली"),
    ("उसका जन्म १९८५ में हुआ", "1985"),
    ("Он живёт в городе Казань.", "Казань"),
    ("Он живёт в Казани.", "Казань"),
    ("работает врачом", "врач"),
    ("ул. Ленина 5", "ул. Ленина 5"),
    ("出生于一九八五年", "1985"),
    ("生于一九八五年十二月三日", "1985年12月3日"),
    ("生于1985年12月3日", "一九八五年十二月三日"),
    ("她有三个孩子", "3"),
    ("東京タワーの近く", "東京"),
    ("수민이는 학생이다", "수민"),
    ("İstanbul'da yaşıyor", "İstanbul"),
    ("_Paris_ it is", "Paris"),
    ("P\u200baris", "Paris"),
]
NOT_TOLD = [
    ("其他人", "他"),
    ("他人", "他"),
    ("他是一个老师", "1"),
    ("二十三岁", "3"),
    ("他是AB型", "A"),
    ("森林", "林"),
    ("サボテン", "サボ"),
    ("김민수연은", "민수"),
    ("สมชาย", "ชาย"),
    ("東京都に住んでいます", "京都"),
    ("山田中学校", "田中"),
    ("田中さん", "田"),
    ("中华人民共和国", "中"),
    ("她11985年出生", "1985"),
    ("パリスに住む", "パリ"),
    ("大きい家", "大"),
    ("이수진입니다", "이수"),
    ("남서울에", "서울"),
    ("은대구", "대구"),
    ("왕자는", "왕"),
    ("दिल्ली में", "दिल"),
    ("طبيبة", "طبيب"),
    ("بدر", "در"),
    ("ישראל", "אל"),
    ("Ивановский", "Иванов"),
    ("он москвич", "Москва"),
    ("a_Paris_b", "Paris"),
    ("Zoë party", "art"),
    ("दिल्लीवाला", "दिल्ली"),
    ("ক্রিকেটার", "ক্রিকেট"),
    ("ქართული", "ქართ"),
    ("Αθηναϊκός", "Αθήνα"),
    ("é a", "b"),
    ("Zoë is 35", "3"),
    ("Zoë is 3.5", "3"),
    ("Zürich", "rich"),
]


@pytest.mark.parametrize(("text", "fact"), TOLD)
def test_a_told_fact_is_told_in_every_script(text, fact):
    assert contains(text, fact)
    assert key_fact(text, [fact]) == cloze_strict(text, fact) == keyword_share(text, [fact]) == 1


@pytest.mark.parametrize(("text", "fact"), NOT_TOLD)
def test_a_fact_is_not_found_inside_other_words(text, fact):
    assert not contains(text, fact)


@pytest.mark.parametrize("text", ["北京。", "「北京」", "北京！", "《北京》"])
def test_signs_around_a_whole_answer_do_not_count(text):
    assert exact(text, ["北京"]) == 1


def test_an_option_is_read_by_its_text():
    assert parse_choice("她是一名护士。", ("医生", "护士", "教师")) == 1
    assert parse_choice("그는 의사입니다", ("의사", "간호사")) == 0


@pytest.mark.parametrize("unit", ["北京、上海和", "กรุงเทพ เชียงใหม่ และ", "ភ្នំពេញ និង"])
def test_the_word_limit_holds_where_words_have_no_spaces(unit):
    """A list of everything holds every fact."""
    text = "".join(f"{unit}{n}," for n in range(20))
    assert count_words(text) > MAX_WORDS
    assert key_fact(text, [unit[:2]]) == 0


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Tidak tahu.",
            "Tôi không biết.",
            "Nevím.",
            "Nem tudom.",
            "En tiedä.",
            "Nu știu.",
            "Ne znam.",
            "Ei tea.",
            "Sijui.",
        ),
        *("Det vet jeg ikke.", "Jeg ved det ikke.", "Ég veit það ekki.", "Nežinau.", "Hindi ko alam."),
        *("Δεν ξέρω.", "לא יודע.", "আমি জানি না।", "எனக்குத் தெரியாது.", "నాకు తెలియదు.", "എനിക്ക് അറിയില്ല.", "मला माहित नाही."),
        *("نمی\u200cدانم.", "مجھے نہیں معلوم۔", "Չգիտեմ։", "არ ვიცი."),
    ],
)
def test_the_plainest_refusal_is_one_in_many_languages(text):
    assert state(text, "Lima", "Where does she live?").state is State.REFUSAL


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Tbilisi",
            "Chongqing",
            "Ürümqi",
            "Qom",
            "Xbox",
            "Oxbridge",
            "Saxby",
            "Tchaikovsky",
            "Knightsbridge",
            "Borschtsch",
        ),
        *("Angstschweiß", "iPhone를 샀다", "½", "〇", "foxglove", "a catchphrase"),
    ],
)
def test_a_name_that_breaks_a_rule_of_english_is_language(name):
    """A wrong short answer: as broken it would count as nothing forgotten."""
    assert state(name, "zebra", "What is it, and how many?").state is State.WRONG


def state(text, answer, question, **more):
    return answer_state(text, kind=more.pop("kind", Kind.OPEN), answer=answer, question=question, **more)


@pytest.mark.parametrize(
    ("text", "answer", "question"),
    [
        ("她住在New York", "上海", "林若溪住在哪里？"),
        ("1991年12月7日", "1985年5月3日", "林若溪的生日是哪一天？"),
        ("他在蓝天公司3号楼工作", "红星医院", "赵一鸣在哪里工作？"),
        ("ул. Ленина 5", "Казань", "Где живёт Марк Лунин?"),
        ("1991년12월7일", "서울", "한지우는 어디에 사나요?"),
        ("वह मुंबई में रहती है और एक बड़े अस्पताल में डॉक्टर का काम करती है", "दिल्ली", "वह कहाँ रहती है?"),
        ("Он живёт в маленьком городе недалеко от моря вместе со своей большой семьёй", "Казань", "Где живёт Марк?"),
        ("เธออาศัยอยู่ที่ภูเก็ต", "เชียงใหม่", "นภาอาศัยอยู่ที่ไหน"),
        ("佐々木さんはNHKで働いています", "大阪", "佐々木さんはどこに住んでいますか？"),
    ],
)
def test_a_wrong_answer_is_language_in_every_script(text, answer, question):
    assert state(text, answer, question) == (State.WRONG, None)


@pytest.mark.parametrize(
    "text",
    [
        "她住在上海。她是",
        "京都です。彼女は",
        "ปีที่แล้ว เขาอยู่ที่ภูเก็ตกับ",
        "وہ لاہور میں ہے۔ وہ",
        "वह मुंबई में है। वह",
        "真的吗？她",
        "她走了！她",
    ],
)
def test_an_answer_that_ended_its_first_sentence_is_not_cut(text):
    assert state(text, "Oslo", "?", finish_reason="length").reason is None


def test_an_answer_that_never_ended_a_sentence_is_cut():
    assert state("她住在一个靠近", "北京", "她住在哪里？", finish_reason="length").reason == Broken.CUT


@pytest.mark.parametrize(
    "question", ["林若溪住在哪个城市？", "한지우는 어디에 사나요?", "Где живёт Марк?", "นภาอาศัยอยู่ที่ไหน"]
)
def test_the_question_given_back_is_an_echo(question):
    for text in (question, question.rstrip("？?"), f"「{question}」"):
        assert state(text, "x", question).reason == Broken.ECHO


@pytest.mark.parametrize(
    "text",
    [
        "她她她她她她她她她她她她",
        "北京北京北京北京北京北京",
        "เขาเป็นครู" * 8,
        "वह है " * 12,
        "她住在她住在她住在她住在她住在她住在",
    ],
)
def test_loops_are_repetitive_in_every_script(text):
    assert state(text, "x", "?").reason == Broken.REPETITIVE


def test_a_caption_is_compared_by_its_words():
    of = {"kind": Kind.CAPTION, "question": "描述这张照片。"}
    assert state("一位穿红色外套的女士。", "一位穿红色外套的女士站在海边。", **of).state == State.CORRECT
    assert state("一辆车停在路上。", "一位穿红色外套的女士站在海边。", **of).state == State.WRONG


def test_latin_text_loads_no_segmentation():
    code = (
        "import sys\nfrom smllmun_bench.metrics.match import key_fact\n"
        "from smllmun_bench.metrics.language import is_language\n"
        "assert key_fact('Zoë lives in Łódź.', ['Łódź']) and is_language('Zoë lives in Łódź.')\n"
        "print(*[name for name in ('icu4py', 'snowballstemmer') if name in sys.modules])\n"
        "assert key_fact('她住在北京。', ['北京'])\nprint('icu4py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\nTrue\n"


def test_fluency_sees_what_was_said_before_where_words_have_no_spaces():
    once = "她住在北京市中心的一所老房子里"
    assert meaningful(once) == 1
    assert meaningful(f"{once}，{once}") < 0.7


@given(
    st.text(st.characters(exclude_categories=[]), max_size=30),
    st.sampled_from(["北京", "นภา", "서울", "طبيب", "врач"]),
)
def test_any_text_can_be_searched(noise, fact):
    """Halves of surrogate pairs, unassigned characters, marks without a letter: a broken model writes them all."""
    assert contains(f"{noise} {fact} {noise}", fact)
    assert count_words(f"{noise} {fact}") >= 1
    assert answer_state(noise + fact, kind=Kind.OPEN, answer=fact).state in set(State)


def test_half_of_a_surrogate_pair_is_scored():
    assert state("她\ud800住在北京\udfff。", "北京", "她住在哪里？").state == State.CORRECT
