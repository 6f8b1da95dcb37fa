"""Words that tell what a sentence of a service conversation does. Data only; kept general on purpose.

Five languages beside English are covered thinly: where no cue is known, centrality alone decides.
"""

# Marks above, below and beside letters, which \w leaves out and many scripts cannot be read without: of those
# that put spaces between words, and of those that do not.
MARKS = r"\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
MARKS_UNSPACED = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"


def word_set(text: str) -> frozenset[str]:
    """The words of a text, whatever its lines."""
    return frozenset(text.split())


AGENT_LABELS = word_set(
    """
    agent agente agents rep representative csr advisor adviser operator support assistant associate
    clerk employee staff specialist consultant technician teller dispatcher pharmacist host hostess
    receptionist concierge doctor dr nurse clinician physician provider therapist berater beraterin
    mitarbeiter mitarbeiterin kundendienst conseiller conseillère asesor asesora operador operadora
    operatore operatrice atendente medewerker konsultant konsultantka doradca оператор агент الموظف الوكيل
    נציג נציגה एजेंट เจ้าหน้าที่ พนักงาน 担当者 オペレーター 客服 坐席 상담원
    """
)
CUSTOMER_LABELS = word_set(
    """
    customer caller client clients patient user member guest passenger subscriber policyholder shopper
    traveler traveller resident tenant student parent buyer consumer kunde kundin anrufer anruferin
    cliente clienta usuario usuaria appelant appelante paciente klant klient klientka клиент العميل المتصل
    לקוח לקוחה ग्राहक ลูกค้า 顧客 客户 お客様 고객
    """
)

# Function words: they carry no content, so they neither centre nor connect sentences.
STOP_WORDS = word_set(
    """
    a about after again all also am an and any are aren't as at be because been before being but by can
    could did didn't do does doesn't doing don't down each few for from further get got had has have
    having he her here hers him his how i i'd i'll i'm i've if in into is isn't it it's its itself just
    let let's like me more most much my myself of off on once one only or other our out over own really
    same she should so some such than that that's the their them then there there's these they they're
    this those through to too under until up very was wasn't we we'd we'll we're we've were what when
    where which while who why will with would you you'd you'll you're you've your yours know think see
    going go thing things something anything actually maybe kind sort mean der die das und ich ist nicht
    sie es ein eine einen zu mit auf für von dem den des im war haben habe hat wir ihr mir mich ihnen
    auch noch dass aber wie wenn kann bei oder el la los las un una y de que en no por para con se lo mi
    su te le al del pero como está estoy tengo muy les une et je est pas vous du dans pour avec ce il
    elle sur au aux mon ma mes votre nous mais gli uno di che è non per si ho ha sono della o os um uma
    eu não com meu minha seu sua het een ik niet dat van op met voor
    """
)

# Courtesies and fillers: what every call holds, whatever it is about.
COURTESY_WORDS = word_set(
    """
    hello hi hey good morning afternoon evening thank thanks welcome bye goodbye great nice day please
    sorry okay ok alright right sure yes yeah yep no nope absolutely certainly perfect wonderful awesome
    fine course moment second minute hold patience apologize apologies appreciate pleasure glad happy
    help assist calling call today name um uh uhm hmm mhm er ah oh well wow gotcha understand understood
    exactly correct definitely ma'am sir lovely hallo guten tag morgen danke bitte ja nein gerne tschüss
    hola buenos buenas días tardes gracias sí vale adiós bonjour merci oui non revoir bonne journée ciao
    grazie prego buongiorno olá obrigado obrigada sim tudo bem hoi dank graag
    """
)

# Identity checks and other procedure: true of the call, but not what it was about.
PROCEDURE_WORDS = word_set(
    """
    verify verification confirm spell digits password pin birth zip postcode ssn security recorded
    recording quality purposes queue press survey pull bear looking checking typing geburtsdatum
    verifizieren verificar confirmar
    """
)

ISSUE_WORDS = word_set(
    """
    problem problems issue issues trouble wrong broken broke error errors fail failed fails failing
    failure can't cannot couldn't won't doesn't didn't isn't wasn't haven't hasn't never unable stopped
    stuck missing lost stolen late delay delayed damaged defective refused declined denied rejected
    charged overcharged twice duplicate double refund complaint complain cancel cancelled canceled
    return exchange dispute claim upset angry frustrated disappointed worried concerned need want wanted
    wondering trying question because reason pain hurts hurt ache fever cough symptoms swelling bleeding
    slow leak leaking outage down dead crash crashed locked blocked incorrect problema problemas cobro
    cobrado factura falta perdido roto cancelar devolver necesito quiero rechnung fehler kaputt defekt
    falsch verspätet stornieren storniere kündigen brauche möchte funktioniert abgebucht problème erreur
    panne facture retard annuler perdu cassé voudrais besoin marche guasto fattura errore annullare
    vorrei fatura atraso quebrado preciso quero
    問題 故障 壊れ 届か 届い 困っ 高い 请求 请退 问题 坏了 没有 退款
    """
)

RESOLUTION_WORDS = word_set(
    """
    i'll we'll you'll will refund refunded credit credited issued processed replaced replacement replace
    resolved resolve fixed fix scheduled schedule reschedule rescheduled rebooked booked reset restored
    updated update escalate escalated ticket reference transferred transfer sent send sending email
    emailed ship shipped arrive receive within hours days tomorrow waive waived removed approved
    cancelled canceled reversed submitted filed opened added changed arranged arrange recommend suggest
    prescribe prescription order ordered appointment refer activated deactivated applied extended
    technician follow werde werden gutschrift erstattung erstatten erstatte ersatz schicke gesendet
    stunden tagen gebucht behoben storniert reembolso enviado enviaré enviar horas días reserva resuelto
    cita remboursement envoyé enverrai heures jours rimborso inviato ore giorni resolvido enviarei dias
    返金 交換 手配 送り お送 送付 退款 更换 寄出
    """
)

AGENT_PHRASES = (
    "thank you for calling",
    "thanks for calling",
    "how can i help",
    "how may i help",
    "how can i assist",
    "how may i assist",
    "let me check",
    "let me look",
    "let me pull",
    "can i have your",
    "may i have your",
    "could you please",
    "can you please",
    "is there anything else",
    "what brings you",
    "i can help you",
    "our system",
    "wie kann ich",
    "was kann ich für",
    "en qué puedo",
    "puis-je vous",
    "come posso",
    "como posso",
    "in che modo",
)

# Openings of sentences that comfort, promise care or buy time, and tell nothing of the call.
COURTESY_PHRASES = (
    "let me check",
    "let me look",
    "let me pull",
    "let me see",
    "let me take a",
    "take your time",
    "take all the time",
    "bear with me",
    "i assure you",
    "rest assured",
    "i can assure",
    "i understand how",
    "i understand that",
    "i completely understand",
    "i apologize",
    "sorry to hear",
    "sorry for the",
    "glad i",
    "glad we",
    "glad to",
    "happy to help",
    "we value",
    "appreciate your",
    "is there anything else",
    "anything else i can",
    "have a great",
    "have a nice",
    "have a good",
    "thank you for your",
    "thanks for your",
    "thank you for calling",
    "thanks for calling",
)

# Requests for a summary, in the words of the languages prompts are written in.
SUMMARY_STEMS = (
    "summar",
    "recap",
    "tl;dr",
    "tldr",
    "key point",
    "main point",
    "overview",
    "in short",
    "condense",
    "abstract",
    "zusammenfass",
    "fasse",
    "résum",
    "resum",
    "riassum",
    "riepilog",
    "samenvat",
    "sintet",
    "podsum",
    "要約",
    "まとめ",
    "摘要",
    "总结",
    "總結",
    "概括",
    "요약",
    "сводк",
    "резюм",
    "кратк",
    "підсум",
    "стисл",
    "streść",
    "streszcz",
    "shrň",
    "shrnut",
    "sammanfatt",
    "sammendrag",
    "sammenfat",
    "összefoglal",
    "rezum",
    "özet",
    "ringkas",
    "tóm tắt",
    "περίληψ",
    "συνοψ",
    "לסכם",
    "סכם את",
    "סיכום",
    "תקציר",
    "لخص",
    "تلخيص",
    "خلاصة",
    "خلاصه",
    "सारांश",
    "สรุป",
)

# What an instruction beside the text tends to start with.
REQUEST_WORDS = word_set(
    """
    summarize summarise write provide list extract identify classify describe translate analyze analyse
    respond generate create produce answer fasse schreibe schreib résume résumez écris escribe resume
    riassumi scrivi resuma escreva vat schrijf
    """
)
REQUEST_PHRASES = (
    "you are a",
    "your task",
    "the following",
    "below is",
    "here is the",
    "here's the",
    "given the",
    "based on the",
    "above call",
    "above conversation",
    "the call above",
    "the conversation above",
    "the transcript",
)

# A full stop after one of these does not end a sentence.
ABBREVIATIONS = word_set("dr mr mrs ms st no vs e.g i.e approx dept ext nr sr sra z.b")

# Where running speech begins a new thought: always before these, given a few words,
OPENERS = word_set("okay ok alright um uh yeah yes hi hello thanks hmm anyway")
# before these when someone or something new follows,
JOINERS = word_set("and but because then or now so well sure no")
# and, with more words gone by, before who or what speaks of, unless the word before leads up to it.
SUBJECTS = word_set(
    """
    i i'm i've i'll i'd we we're we'll we've you you're it it's he she they the my that's this there
    there's let can could is do what your our
    """
)
LEADS = word_set(
    """
    that if what when where how why which who than as for to of on in at with from about and but because
    or so do did does can could would will should have has had think know sure see the a my your is are
    was were not
    """
)
