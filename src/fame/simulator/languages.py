"""Languages that simulated authors write in: what each calls the topics, and how it spells titles.

Row for row the topics of all languages mean the same, so that a topic carries the same popularity
in each. No word stands twice in a language.
"""

from dataclasses import dataclass

from fame.simulator.vocabulary import FILLERS, TOPICS


@dataclass(frozen=True)
class Language:
    """The words of a language.

    Attributes:
        topics: the words of each topic.
        fillers: words without popularity.
        endings: what a word is joined with, as in sunsetlovers.
        separator: stands between the words of a title.
    """

    topics: list[list[str]]
    fillers: list[str]
    endings: list[str]
    separator: str


def _split(topics: tuple[str, ...], fillers: str, endings: str, separator: str = " ") -> Language:
    return Language(
        [words.split() for words in topics], fillers.split(), endings.split(), separator
    )


_SPANISH_TOPICS = (
    "atardecer ocaso crepúsculo dorado horizonte resplandor",
    "niebla bruma amanecer rocío alba neblina",
    "noche luna estrellas medianoche oscuridad galaxia",
    "nieve hielo invierno escarcha frío glaciar",
    "otoño hojas octubre viñedo huerto cosecha",
    "flor rosa jardín pétalo tulipán orquídea",
    "mar olas océano marea costa arrecife",
    "bosque pino roble árbol musgo rama",
    "desierto arena duna cactus camello oasis",
    "antiguo retro nostalgia clásico reliquia sepia",
    "amor beso corazón pasión romance cariño",
    "soledad tristeza lágrimas dolor pena duelo",
    "feliz alegría sonrisa risa diversión dicha",
    "soldado ejército guerra tanque batalla tropas",
    "iglesia templo catedral capilla oración fe",
    "escuela maestra alumno examen clase universidad",
    "ciencia laboratorio experimento química física átomo",
    "elección protesta política gobierno voto senado",
    "dinero banco mercado precio venta negocio",
    "hospital médico enfermera clínica paciente medicina",
    "tren estación ferrocarril vagón locomotora andén",
    "coche motor rueda carrera garaje piloto",
    "avión vuelo aeropuerto aviación helicóptero cabina",
    "barco puerto velero ancla marinero yate",
    "castillo reina palacio rey corona fortaleza",
    "simetría geometría línea curva forma círculo",
    "lente apertura enfoque obturador exposición objetivo",
    "trofeo campeón victoria medalla torneo copa",
)

_RUSSIAN_TOPICS = (
    "закат сумерки заря горизонт вечер зарево",
    "туман рассвет роса утро дымка восход",
    "ночь луна звёзды полночь темнота галактика",
    "снег лёд зима мороз иней вьюга",
    "осень листья октябрь урожай листопад виноградник",
    "цветок роза сад лепесток тюльпан сирень",
    "море волны океан прибой берег маяк",
    "лес сосна дуб дерево мох берёза",
    "пустыня песок дюна кактус верблюд оазис",
    "старина ретро ностальгия классика антиквариат винтаж",
    "любовь поцелуй сердце страсть нежность роман",
    "грусть печаль слёзы одиночество боль тоска",
    "счастье радость улыбка смех веселье восторг",
    "солдат армия война танк битва флот",
    "церковь храм молитва собор часовня монастырь",
    "школа учитель урок экзамен студент университет",
    "наука лаборатория опыт химия физика атом",
    "выборы протест политика правительство голосование парламент",
    "деньги банк рынок цена продажа бизнес",
    "больница врач медсестра клиника пациент лекарство",
    "поезд вокзал вагон рельсы паровоз платформа",
    "машина мотор колесо гонка гараж водитель",
    "самолёт полёт аэропорт авиация вертолёт пилот",
    "корабль гавань лодка якорь моряк яхта",
    "замок королева дворец король корона крепость",
    "симметрия геометрия линия кривая форма круг",
    "объектив диафрагма фокус затвор выдержка вспышка",
    "кубок чемпион победа медаль турнир награда",
)

_ARABIC_TOPICS = (
    "غروب شفق أفق ذهبي مساء وهج",
    "ضباب فجر ندى صباح شروق سحر",
    "ليل قمر نجوم ظلام مجرة سهر",
    "ثلج جليد شتاء صقيع برد بياض",
    "خريف أوراق حصاد كرم بستان أكتوبر",
    "زهرة وردة حديقة ياسمين نرجس زنبق",
    "بحر أمواج محيط شاطئ ساحل مرجان",
    "غابة شجرة صنوبر بلوط غصن أرز",
    "صحراء رمال كثبان جمل واحة صبار",
    "قديم تراث ذكريات عتيق تحفة كلاسيكي",
    "حب قبلة قلب عشق غرام حنان",
    "حزن دموع وحدة ألم فراق أسى",
    "سعادة فرح ابتسامة ضحك مرح بهجة",
    "جندي جيش حرب دبابة معركة سلاح",
    "مسجد صلاة معبد كنيسة إيمان دير",
    "مدرسة معلم طالب امتحان درس جامعة",
    "علم مختبر تجربة كيمياء فيزياء ذرة",
    "انتخابات احتجاج سياسة حكومة تصويت برلمان",
    "مال بنك سوق سعر بيع تجارة",
    "مستشفى طبيب ممرضة عيادة مريض دواء",
    "قطار محطة سكة عربة رصيف قاطرة",
    "سيارة محرك عجلة سباق مرآب سائق",
    "طائرة رحلة مطار طيران مروحية طيار",
    "سفينة ميناء قارب مرساة بحار يخت",
    "قلعة ملكة قصر ملك تاج حصن",
    "تناظر هندسة خط منحنى شكل دائرة",
    "عدسة فتحة تركيز غالق تعريض وميض",
    "كأس بطل فوز ميدالية بطولة جائزة",
)

_JAPANESE_TOPICS = (
    "夕日 夕焼け 黄昏 地平線 日没 夕暮れ",
    "霧 夜明け 朝露 朝 日の出 靄",
    "夜 月 星空 真夜中 闇 銀河",
    "雪 氷 冬 霜 寒さ 氷河",
    "秋 紅葉 落ち葉 葡萄園 収穫 十月",
    "花 薔薇 庭 桜 百合 蘭",
    "海 波 海岸 潮 灯台 珊瑚",
    "森 松 木 苔 枝 樫",
    "砂漠 砂 砂丘 駱駝 オアシス サボテン",
    "昔 レトロ 懐かしい 骨董 古い 名作",
    "愛 恋 心 キス 情熱 恋人",
    "孤独 悲しみ 涙 痛み 別れ 後悔",
    "幸せ 喜び 笑顔 笑い 楽しい 嬉しい",
    "兵士 軍隊 戦争 戦車 戦い 海軍",
    "教会 寺 神社 祈り 大聖堂 祭壇",
    "学校 先生 教室 試験 授業 大学",
    "科学 実験 研究 化学 物理 原子",
    "選挙 抗議 政治 政府 投票 国会",
    "お金 銀行 市場 値段 販売 商売",
    "病院 医者 看護師 診療所 患者 薬",
    "電車 鉄道 駅 線路 機関車 車掌",
    "車 エンジン 車輪 レース ガレージ 運転手",
    "飛行機 空港 飛行 操縦席 ヘリコプター 機長",
    "船 港 帆船 錨 船長 ヨット",
    "城 女王 宮殿 王様 王冠 騎士",
    "対称 幾何学 線 曲線 形 円",
    "レンズ 絞り 焦点 シャッター 露出 望遠",
    "優勝 王者 勝利 メダル 大会 賞",
)

LANGUAGES = {
    "english": _split(
        TOPICS, FILLERS, "lovers oftheday gram life daily vibes addict photography world 2016"
    ),
    "spanish": _split(
        _SPANISH_TOPICS,
        "el la en con de mi un este otra vez día hoy aquí siempre casi",
        "lovers bonito oficial porvida deldía 2016",
    ),
    "russian": _split(
        _RUSSIAN_TOPICS,
        "и в на с из это мой наш один снова сегодня здесь всегда",
        "дня люблю фото жизнь 2016",
    ),
    "arabic": _split(
        _ARABIC_TOPICS,
        "في من على مع هذا هنا اليوم دائما كل يوم جديد أول",
        "حياتي جميل عشقي 2016",
    ),
    "japanese": _split(
        _JAPANESE_TOPICS,
        "今日 の で と この また ここ 毎日 初めて 少し 僕 私",
        "好き 部 写真 の日 2016",
        separator="",
    ),
}
