"""Words that tell what a sentence of a service conversation does. Data only; kept general on purpose.

Five languages beside English are covered thinly: where no cue is known, centrality alone decides.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGENT_LABELS = _words(
    """
    agent agente agents rep representative csr advisor adviser operator support assistant associate
    clerk employee staff specialist consultant technician teller dispatcher pharmacist host hostess
    receptionist concierge doctor dr nurse clinician physician provider therapist berater beraterin
    mitarbeiter mitarbeiterin kundendienst conseiller conseillère asesor asesora operador operadora
    operatore operatrice atendente medewerker 担当者 オペレーター 客服 坐席 상담원
    """
)
CUSTOMER_LABELS = _words(
    """
    customer caller client clients patient user member guest passenger subscriber policyholder shopper
    traveler traveller resident tenant student parent buyer consumer kunde kundin anrufer anruferin
    cliente clienta usuario usuaria appelant appelante paciente klant 顧客 客户 お客様 고객
    """
)

# Function words: they carry no content, so they neither centre nor connect sentences.
STOP_WORDS = _words(
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
COURTESY_WORDS = _words(
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
PROCEDURE_WORDS = _words(
    """
    verify verification confirm spell digits password pin birth zip postcode ssn security recorded
    recording quality purposes queue press survey pull bear looking checking typing geburtsdatum
    verifizieren verificar confirmar
    """
)

ISSUE_WORDS = _words(
    """
    problem problems issue issues trouble wrong broken broke error errors fail failed fails failing
    failure can't cannot couldn't won't doesn't didn't isn't wasn't haven't hasn't never unable stopped
    stuck missing lost stolen late delay delayed damaged defective refused declined denied rejected
    charged overcharged twice duplicate double refund complaint complain cancel cancelled canceled
    return exchange dispute claim upset angry frustrated disappointed worried concerned need want wanted
    wondering trying question because reason pain hurts hurt ache fever cough symptoms swelling bleeding
    slow leak leaking outage down dead crash crashed locked blocked incorrect problema problemas cobro
    cobrado factura falta perdido roto cancelar devolver necesito quiero rechnung fehler kaputt defekt
    falsch verspätet stornieren kündigen brauche möchte funktioniert abgebucht problème erreur panne
    facture retard annuler perdu cassé voudrais besoin marche guasto fattura errore annullare vorrei
    fatura atraso quebrado preciso quero 問題 故障 困 破 届 问题 坏 退款
    """
)

RESOLUTION_WORDS = _words(
    """
    i'll we'll you'll will refund refunded credit credited issued processed replaced replacement replace
    resolved resolve fixed fix scheduled schedule reschedule rescheduled rebooked booked reset restored
    updated update escalate escalated ticket reference transferred transfer sent send sending email
    emailed ship shipped arrive receive within hours days tomorrow waive waived removed approved
    cancelled canceled reversed submitted filed opened added changed arranged arrange recommend suggest
    prescribe prescription order ordered appointment refer activated deactivated applied extended
    technician follow werde werden gutschrift erstattung erstatten ersatz schicke gesendet stunden tagen
    gebucht behoben storniert reembolso enviado enviaré enviar horas días reserva resuelto cita
    remboursement envoyé enverrai heures jours rimborso inviato ore giorni resolvido enviarei dias 返金 交換
    手配 送 退 换
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

# Requests for a summary, in the words of the languages prompts are written in.
SUMMARY_STEMS = (
    "summar",
    "recap",
    "tl;dr",
    "tldr",
    "key point",
    "main point",
    "overview",
    "gist",
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
)

# What an instruction beside the text tends to start with.
REQUEST_WORDS = _words(
    """
    summarize summarise write give provide list extract identify classify answer describe explain tell
    translate analyze analyse read following above below your task instructions respond return use keep
    do generate create you transcript conversation call dialogue text fasse schreibe schreib resume
    escribe résume résumez écris riassumi scrivi resuma escreva vat
    """
)
