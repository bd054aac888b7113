package medlink

// The words that all data is made of. Names are of trees, stones and weather: nobody is called so.
var (
	familyNames = []string{
		"Alder", "Aspen", "Basalt", "Beech", "Birch", "Cedar", "Cobalt", "Cypress", "Drizzle", "Feldspar", "Fjord", "Flint",
		"Garnet", "Glacier", "Gneiss", "Granite", "Hazel", "Hemlock", "Juniper", "Larch", "Lichen", "Marl", "Mistral", "Onyx",
		"Opal", "Poplar", "Quartz", "Rowan", "Schist", "Slate", "Spruce", "Tamarack", "Topaz", "Willow", "Yew", "Zircon",
	}
	givenNames = []string{
		"Aurora", "Breeze", "Cirrus", "Cloudé", "Dawn", "Dusk", "Élan", "Ember", "Frost", "Gale", "Hail", "Haze", "Île", "Lumen",
		"Mist", "Nimbus", "Noël", "Rain", "Solstice", "Squall", "Stratus", "Sunny", "Tide", "Vesper", "Zenith", "Zéphyr",
	}
	streets     = []string{"Anchor Lane", "Buoy Street", "Compass Road", "rue de l'Ancre", "Harbour Walk", "Keel Close", "Lantern Way", "rue du Phare"}
	cities      = []string{"Port Example", "Lac-Exemple", "Sampleton", "Saint-Modèle", "Testville"}
	specialties = []string{"family medicine", "paediatrics", "cardiology", "physiotherapy", "dentistry", "radiology", "laboratory"}
	actors      = []string{"intake", "clearing", "portal", "operator-1", "operator-2"}
	mediaTypes  = []string{"application/pdf", "image/tiff", "text/plain"}
	statuses    = []string{"draft", "submitted", "submitted", "accepted", "accepted", "paid", "paid", "paid", "denied", "appealed"}
	procedures  = []string{"VIS-10", "VIS-20", "LAB-07", "LAB-31", "IMG-02", "IMG-15", "PHY-04", "DEN-11", "SUR-90", "VAC-01"}
	diagnoses   = []string{"DX-001", "DX-014", "DX-120", "DX-233", "DX-305", "DX-410", "DX-577", "DX-702", "DX-888", "DX-941"}
	prose       = []string{
		"the", "patient", "was", "seen", "for", "a", "follow-up", "visit", "and", "reports", "no", "new", "complaints", "since",
		"last", "month", "treatment", "continues", "as", "planned", "results", "were", "reviewed", "with", "family", "dosage",
		"unchanged", "référence", "reçue", "du", "médecin", "traitant", "« sans objet »", "temperature", "36.8 °C", "within",
		"normal", "limits", "appointment", "in", "six", "weeks", "claim", "supported", "by", "attached", "documents", "C:\\scans",
		"page 1\n", "signed\t", "authorised", "invoice", "corrected", "resubmitted", "payer", "responded", "partial", "payment",
	}
)
