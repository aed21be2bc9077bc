"""What people call their columns: for each field the names it goes by, without case, accents and signs.

English, German, French, Spanish, Italian, Dutch, Polish; exports of mail programs and shops. Data only:
one tuple of (field, comma-separated names) for each kind of table.
"""

CUSTOMER = (
    (
        "external_id",
        "CustomerId,ContactId,Id,No,Nr,Number,Customer No,Customer Number,Client Id,Patient Id,"
        "Kundennummer,Kunden-Nr,KdNr,Kundennr,Kunde,Patientennummer,Patienten-Nr,Mandantennummer,"
        "Numéro client,N° client,Code client,Id cliente,Codice cliente,Código cliente,Klantnummer,"
        "Numer klienta,Reference,Referenz,External Id",
    ),
    (
        "first_name",
        "FirstName,Given Name,Forename,Vorname,Rufname,Prénom,Nombre,Nome,Voornaam,Imię,Eesnimi,"
        "Billing First Name",
    ),
    (
        "last_name",
        "LastName,Surname,Family Name,Nachname,Familienname,Zuname,Nom de famille,Nom,Apellido,"
        "Apellidos,Cognome,Achternaam,Nazwisko,Perekonnanimi,Billing Last Name",
    ),
    (
        "name",
        "Full Name,Display Name,Customer Name,Contact Name,Contact,Name,Vollständiger Name,"
        "Anzeigename,Kundenname,Ansprechpartner,Nom complet,Nombre completo,Nome completo,"
        "Volledige naam,Naam",
    ),
    (
        "company",
        "Company,Company Name,Organization,Organisation,Organization Name,Firma,Firmenname,"
        "Unternehmen,Praxis,Société,Entreprise,Raison sociale,Empresa,Azienda,Ragione sociale,"
        "Bedrijf,Bedrijfsnaam",
    ),
    (
        "email",
        "E-Mail,Mail,Email Address,E-mail 1 - Value,E-Mail-Adresse,Mailadresse,E-Mail 1,Courriel,"
        "Adresse e-mail,Adresse mail,Correo,Correo electrónico,Posta elettronica,Indirizzo email,"
        "E-mailadres,Adres e-mail",
    ),
    (
        "phone",
        "Phone Number,Telephone,Tel,Phone 1 - Value,Business Phone,Home Phone,Telefon,Telefonnummer,"
        "Rufnummer,Festnetz,Telefon geschäftlich,Telefon privat,Téléphone,Teléfono,Telefono,Telefoon,"
        "Telefoonnummer",
    ),
    (
        "mobile",
        "Mobile Phone,Mobile Number,Cell,Cell Phone,Handy,Handynummer,Mobil,Mobiltelefon,Mobilnummer,"
        "Portable,Téléphone portable,Móvil,Cellulare,Mobiel",
    ),
    ("fax", "Fax Number,Faxnummer,Telefax,Télécopie"),
    (
        "street",
        "Address,Street Address,Address 1,Address Line 1,Straße,Strasse,Str,Anschrift,Adresse,"
        "Straße und Hausnummer,Straße Nr,Rue,Adresse postale,Dirección,Calle,Indirizzo,Via,Straat,"
        "Adres,Ulica,Billing Address",
    ),
    (
        "city",
        "Town,Ort,Stadt,Wohnort,Ville,Ciudad,Localidad,Città,Comune,Plaats,Stad,Miasto,Linn,Billing City",
    ),
    ("state", "Province,Region,County,Bundesland,Région,Provincia,Provincie,Billing State"),
    (
        "postal_code",
        "PostalCode,Zip,Zip Code,Post Code,PLZ,Postleitzahl,Code postal,CP,Código postal,CAP,"
        "Postcode,Kod pocztowy,Sihtnumber,Billing Postal Code",
    ),
    ("country", "Land,Staat,Country Code,Ländercode,Pays,País,Paese,Kraj,Riik,Billing Country"),
    (
        "birth_date",
        "Birthday,Birth Date,Date of Birth,DOB,Geburtsdatum,Geburtstag,Geb,Geb.-Datum,"
        "Date de naissance,Fecha de nacimiento,Data di nascita,Geboortedatum,Data urodzenia",
    ),
    (
        "notes",
        "Note,Comment,Comments,Remarks,Notiz,Notizen,Bemerkung,Bemerkungen,Kommentar,Anmerkung,"
        "Remarque,Remarques,Commentaire,Nota,Notas,Note interne,Opmerking,Opmerkingen,Uwagi",
    ),
)

INTERACTION = (
    (
        "customer",
        "CustomerId,ContactId,External Id,Customer,Customer No,Customer Number,Client Id,Patient Id,"
        "Kundennummer,Kunden-Nr,KdNr,Kunde,Patientennummer,Numéro client,Code client,Klantnummer",
    ),
    ("kind", "Type,Channel,Art,Typ,Kanal,Genre,Tipo,Soort"),
    (
        "occurred_at",
        "Date,Time,Datetime,Timestamp,When,Occurred,Datum,Zeitpunkt,Zeit,Date et heure,Fecha,Data,"
        "Tijdstip,Created At,Interaction Date",
    ),
    ("subject", "Title,Topic,Summary,Betreff,Titel,Thema,Objet,Sujet,Asunto,Oggetto,Onderwerp"),
    (
        "text",
        "Body,Content,Note,Notes,Description,Comment,Message,Details,Inhalt,Notiz,Bemerkung,"
        "Beschreibung,Nachricht,Texte,Contenu,Texto,Testo,Tekst",
    ),
)

INVOICE = (
    (
        "number",
        "InvoiceId,Invoice No,Invoice Number,Invoice,No,Nr,Id,Rechnungsnummer,Rechnungs-Nr,"
        "Rechnungsnr,RgNr,Belegnummer,Numéro de facture,N° facture,Facture,Número de factura,"
        "Numero fattura,Factuurnummer",
    ),
    (
        "customer",
        "CustomerId,ContactId,Customer,Customer No,Customer Number,Client Id,Patient Id,Kundennummer,"
        "Kunden-Nr,KdNr,Kunde,Patientennummer,Numéro client,Code client,Klantnummer,External Id",
    ),
    (
        "issued_on",
        "InvoiceDate,Date,Issued,Issue Date,Invoice Date,Datum,Rechnungsdatum,Belegdatum,"
        "Date de facture,Date de facturation,Fecha,Data,Data fattura,Factuurdatum",
    ),
    ("currency", "Currency Code,Währung,Devise,Moneda,Valuta"),
    (
        "total",
        "Total Amount,Grand Total,Amount,Gross,Gesamt,Gesamtbetrag,Summe,Betrag,Brutto,"
        "Rechnungsbetrag,Montant,Total TTC,Importe,Importo,Totale,Totaal,Bedrag",
    ),
    ("tax", "VAT,Tax Amount,VAT Amount,USt,MwSt,Umsatzsteuer,Mehrwertsteuer,TVA,IVA,BTW"),
    (
        "name",
        "BillingName,Billing Name,Bill To,Recipient,Customer Name,Rechnungsempfänger,Empfänger,Name,"
        "Nom,Nombre,Nome,Naam",
    ),
    ("company", "Billing Company,Company,Firma,Société,Empresa,Azienda,Bedrijf"),
    (
        "street",
        "BillingAddress,Billing Street,Address,Street,Straße,Anschrift,Adresse,Rue,Dirección,Indirizzo,Adres",
    ),
    ("city", "BillingCity,City,Town,Ort,Stadt,Ville,Ciudad,Città,Plaats"),
    ("state", "BillingState,State,Province,Region,Bundesland"),
    (
        "postal_code",
        "BillingPostalCode,PostalCode,Postal Code,Zip,PLZ,Postleitzahl,Code postal,Postcode,CAP",
    ),
    ("country", "BillingCountry,Country,Land,Pays,País,Paese"),
)

INVOICE_LINE = (
    (
        "number",
        "InvoiceId,Invoice No,Invoice Number,Invoice,Rechnungsnummer,Rechnungs-Nr,Rechnungsnr,RgNr,"
        "Belegnummer,Numéro de facture,N° facture,Número de factura,Numero fattura,Factuurnummer",
    ),
    (
        "description",
        "Item,Product,Text,Name,Service,Beschreibung,Bezeichnung,Artikel,Leistung,Position,Libellé,"
        "Désignation,Descripción,Descrizione,Omschrijving",
    ),
    (
        "unit_price",
        "Price,UnitPrice,Unit Cost,Einzelpreis,Preis,Stückpreis,Prix unitaire,Prix,Precio,Prezzo,Prijs",
    ),
    ("quantity", "Qty,Count,Menge,Anzahl,Quantité,Cantidad,Quantità,Aantal"),
)

KINDS = (
    ("note", "Notes,Notiz,Bemerkung,Remarque,Nota,Notitie"),
    (
        "call",
        "Phone,Phone Call,Telephone,Anruf,Telefonat,Telefon,Appel,Llamada,Chiamata,Telefoontje",
    ),
    ("email", "E-Mail,Mail,Courriel,Correo,Posta"),
    ("meeting", "Treffen,Besprechung,Termin,Réunion,Rendez-vous,Reunión,Riunione,Afspraak"),
    ("visit", "Besuch,Visite,Visita,Bezoek,Appointment,Sitzung,Behandlung"),
    ("message", "Chat,SMS,WhatsApp,Nachricht,Text,Mensaje,Messaggio,Bericht"),
)
