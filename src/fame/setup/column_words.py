"""Names and words of columns, as real tables have them, in ten languages."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


IDS = _words(
    "id post_id postid pid video_id tweet_id media_id photo_id item_id status_id shortcode uuid "
    "guid key code sku listing_id talk_id gonderi_no"
)
# A word that says that a column is an id, of a post or of another thing.
ID_WORDS = frozenset(
    _words(
        "id identificador identificacao identifiant identificativo identyfikator kennung kimligi"
    )
)
USERS = _words(
    "user_id author_id userid channel_id owner_id page_id account_id uid author user username "
    "user_name screen_name handle owner account channel channel_title creator page page_name brand "
    "seller shop poster profile speaker main_speaker publisher blogger artist seitenname autor "
    "auteur autore usuario utente pagina kanal konto posted_by published_by kontoname nutzername "
    "benutzername compte nom_du_compte cuenta nombre_de_la_cuenta nome_dellaccount conta "
    "nome_da_conta accountnaam gebruikersnaam hesap hesap_adi kullanici_adi nazwa_konta profil "
    "perfil profilo profiel strona account_name profile_name page_title social_profile "
    "social_account profilname "
    "用户昵称 用户名 作者 昵称"
)
TIMES = _words(
    "posted_at published_at publish_time publish_date post_time post_date created_at created_time "
    "create_time created published postdate date datetime timestamp time when taken_at upload_date "
    "uploaded_at created_utc posted posting_time published_date film_date listed_at veroffentlicht "
    "veroffentlichungszeit datum zeitpunkt erstellt publie date_de_publication fecha publicado "
    "pubblicato data veroffentlichungszeitpunkt veroffentlichungsdatum "
    "zeitpunkt_der_veroffentlichung heure_de_publication date_publication fecha_de_publicacion "
    "hora_de_publicacion data_di_pubblicazione orario_di_pubblicazione data_de_publicacao "
    "horario_de_publicacao publicatiedatum publicatietijdstip geplaatst yayinlanma_zamani "
    "yayinlanma_tarihi paylasim_tarihi gonderi_tarihi tarih data_publikacji czas_publikacji "
    "opublikowano tag 发布时间 发布日期 时间 日期"
)
TITLES = _words(
    "title caption text full_text tweet message headline post_text content body name description "
    "desc status_message product_name titel nachricht beitrag beschreibung titre texte legende "
    "titulo texto mensaje descripcion titolo testo mensagem descricao bildunterschrift "
    "beitragstext posttext bildtext videotitel beitragstitel beitragsinhalt tweettext caption_text "
    "untertitel inhalt contenu pie_de_foto pie_de_imagen leyenda contenido "
    "didascalia descrizione messaggio contenuto legenda conteudo bijschrift "
    "beschrijving omschrijving bericht tekst inhoud aciklama baslik metin gonderi icerik altyazi "
    "opis tresc tytul podpis wiadomosc 标题 正文 微博正文 内容 文案"
)
IMAGES = _words(
    "image image_path picture photo img image_file filename file file_name path thumbnail "
    "image_url media cover img_path bilddatei bild foto dateiname fichier imagen archivo immagine "
    "imagem arquivo afbeelding bestand gorsel resim dosya zdjecie obraz plik"
)
# Words of addresses, which are ids where there is no id.
ADDRESSES = frozenset(
    _words(
        "url link permalink uri slug permalien lien enlace collegamento baglanti odnosnik "
        "beitragslink postlink videolink beitragsurl"
    )
)
# Words that are enough where no whole name is known.
USER_WORDS = frozenset(
    _words(
        "username author owner user creator seller speaker handle nickname kontoname nutzername "
        "benutzername utilisateur dutilisateur usuario utente gebruikersnaam accountnaam kullanici "
        "uzytkownika autor auteur autore verfasser"
    )
)
TIME_WORDS = frozenset(_words("published posted created posting publishing time date timestamp"))
# Words of a clock in a column of its own, beside one of dates.
CLOCKS = frozenset(
    _words(
        "time clock hour uhrzeit zeit heure hora ora orario horario tijd saat "
        "horaire tijdstip saati godzina"
    )
)
SPLITS = _words("split part fold partition subset")
TARGETS = _words(
    "popularity likes like_count num_likes views view_count num_views target label score "
    "play_count favorite_count favourites favorites hearts digg_count reactions num_reactions "
    "engagement retweet_count retweets shares num_shares upvotes ups sales sold orders comments "
    "comment_count num_comments plays reaktionen gefallt_mir gefallt_mir_angaben gefaellt_mir "
    "gefaellt_mir_angaben mentions_jaime jaime me_gusta mi_piace curtidas gostos vind_ik_leuks "
    "begeniler begeni polubienia polubien aufrufe vues reproducciones visualizaciones "
    "visualizzazioni visualizacoes weergaven goruntulenmeler goruntulenme izlenme wyswietlenia "
    "wyswietlen engagements like view 点赞数 点赞量 点赞 播放量 播放数 阅读量 浏览量"
)
# Words beside what is counted.
COUNTING = frozenset(
    _words(
        "count counts number num nb no of total anzahl nombre numero aantal liczba sayisi der de di"
    )
)
# Words of what is counted after a post is out, beside the target: a leak.
OUTCOMES = frozenset(
    _words(
        "like likes view views comment comments share shares retweet retweets favorite favorites "
        "favourites reaction reactions play plays save saves saved reply replies quote quotes "
        "upvotes downvotes ups hearts loves wows hahas sads angrys digg dislikes dislike click "
        "clicks reach impressions engagement sales sold orders purchases reposts repost rating "
        "ratings bookmarks popularity trending viewed reviews reaktionen gefallt kommentare "
        "geteilt aufrufe klicks reichweite impressionen vues commentaires partages clics portee "
        "gusta comentarios compartidos alcance reproducciones visualizaciones piace commenti "
        "condivisioni visualizzazioni curtidas compartilhamentos visualizacoes impression bookmark "
        "engagements interactions follows expands watch watched viewers retention revenue earnings "
        "visits opens installs upvote downvote vote votes engaged consumers consumptions lifetime "
        "reblogs reblog boosts favourite overperforming awards awardings gilded crossposts "
        "gefaellt geteilte gespeichert speichervorgange interaktionen antworten wiedergaben "
        "wiedergabezeit wiedergabedauer linkklicks beitragsklicks videoaufrufe seitenaufrufe "
        "profilaufrufe profilbesuche beitragsreichweite beitragsinteraktionen engagementrate "
        "couverture enregistrements reponses lectures visites jaime impresiones "
        "guardado guardados compartido interacciones reacciones respuestas visitas retuits "
        "copertura salvataggi interazioni reazioni risposte visite impressoes salvamentos salvos "
        "interacoes reacoes respostas cliques gostos partilhas leuks weergaven bereik reacties "
        "deelacties gedeeld opgeslagen klikken vertoningen interacties begeni begeniler begenme "
        "yorum yorumlar paylasimlar goruntulenme goruntulenmeler izlenme erisim kaydetmeler "
        "kaydedilenler tiklamalar etkilesim etkilesimler gosterim gosterimler takipler polubienia "
        "polubien komentarze komentarzy udostepnienia udostepnien wyswietlenia wyswietlen zasieg "
        "zapisane zapisania klikniecia odtworzenia reakcje obserwacje interakcje zaangazowanie "
        "点赞数 点赞量 点赞 播放量 播放数 阅读量 浏览量 评论数 评论量 评论 转发数 转发量 转发 "
        "收藏数 收藏量 收藏 分享数 分享量 分享 弹幕数 投币数"
    )
)
# Of these, what no account has a total of: the visits of a profile are those from a post.
OF_POSTS = frozenset(
    _words("click clicks impression impressions reach engagements visits engaged lifetime")
)
# Words of an account's totals, known when a post is written.
ACCOUNT = frozenset(
    _words(
        "user author channel account profile owner page creator seller shop brand follower "
        "followers following subscriber subscribers friends statuses fans abonnenten abonnes "
        "seguidores volgers takipci obserwujacych"
    )
)
# Of these, whose number may also be that which one post brought.
FOLLOWERS = frozenset(
    _words(
        "follower followers subscriber subscribers fans abonnenten abonnes seguidores volgers "
        "takipci obserwujacych"
    )
)
# Words of what is written or changed after a post is out.
LATER = frozenset(
    _words(
        "updated update updates crawled crawl scraped scrape retrieved retrieval collected fetched "
        "modified modification edited deleted removed archived trending aktualisiert geandert "
        "bearbeitet geloscht mis mise modifie supprime actualizado modificado editado eliminado "
        "aggiornato modificato eliminato atualizado excluido bijgewerkt gewijzigd verwijderd "
        "gained lost"
    )
)
# Words of times that are not those of posting, and how such words begin.
OTHER_TIMES = frozenset(
    _words(
        "born dob age last latest previous next valid until deadline due joined join signup signed "
        "since event events shipped shipping order ordered sortie uscita launch launched build "
        "start started starts end ended ends beginn ende debut fin inicio inizio fine login visit "
        "visited seen accessed founded opened closed payment paid cancelled"
    )
)
OTHER_TIME_STEMS = tuple(
    _words(
        "birth geburt naiss nacim nasc geboorte death expir ablauf vencim scaden validade registr "
        "inscri iscri deliver liefer livrais entreg consegn releas erschein lanzam lancam version "
        "updat crawl scrap modif delet aktualis ander losch actualiz aggiorn atualiz gewijzig"
    )
)
CATEGORIES = frozenset(
    _words(
        "category subcategory type genre language lang country section topic kind format media "
        "source region platform concept department class group event status state city typ "
        "kategorie tipo categoria categorie sprache langue idioma land pays pais"
    )
)
# A column of codes of these is no number, though no, ja and si are yes or no elsewhere.
LANGUAGES = frozenset(
    _words("lang language langs country locale langue idioma lingua sprache land pays pais paese")
)
# Words of texts that others write below a post, and of times beside that of posting.
WRITTEN_BY_OTHERS = frozenset(
    _words(
        "comment comments reply replies reviews kommentare antworten commentaires comentarios "
        "commenti reacties yorumlar komentarze"
    )
)
MORE_TIMES = frozenset(_words("date datetime timestamp unixtime unix epoch"))
ROW_NUMBERS = ("column", "unnamed", "index")  # first words of names of row numbers


def list_outcomes(words: tuple[str, ...]) -> set[str]:
    """Words of OUTCOMES in a name; `num_lectures` is English, and of a course."""
    found = set(words) & OUTCOMES
    return found - {"lectures"} if {"n", "num", "number", "count"} & set(words) else found
