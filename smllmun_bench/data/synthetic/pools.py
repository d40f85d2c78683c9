"""Words that the fictitious facts are made of, where Faker has no provider. Medicine here is decor, not advice."""

HOBBIES = (
    "archery", "astronomy", "badminton", "baking bread", "ballet", "beekeeping", "bird watching", "bowling",
    "calligraphy", "candle making", "canoeing", "card tricks", "carpentry", "chess", "choir singing", "climbing",
    "crossword puzzles", "dog training", "drone flying", "fencing", "fishing", "folk dancing", "gardening",
    "glass blowing", "guitar", "hiking", "horse riding", "ice skating", "juggling", "karate", "kite flying",
    "knitting", "model trains", "mushroom picking", "origami", "painting", "photography", "piano", "pottery",
    "quilting", "rowing", "sailing", "skiing", "stamp collecting", "surfing", "table tennis", "violin", "yoga",
)  # fmt: skip

DIAGNOSES = (
    "amblyopia", "angle closure", "astigmatism", "blepharitis", "cataract", "chalazion", "choroiditis",
    "colour blindness", "conjunctivitis", "corneal ulcer", "diabetic retinopathy", "dry eye", "episcleritis",
    "glaucoma", "hyperopia", "keratitis", "keratoconus", "macular degeneration", "macular hole", "myopia",
    "ocular hypertension", "optic neuritis", "presbyopia", "pterygium", "retinal detachment", "scleritis", "strabismus",
    "uveitis", "vein occlusion", "vitreous haemorrhage",
)  # fmt: skip

MEDICATIONS = (
    "acetazolamide", "aflibercept", "apraclonidine", "atropine", "azithromycin", "betaxolol", "bimatoprost",
    "brimonidine", "brinzolamide", "carbachol", "ciprofloxacin", "cyclosporine", "dexamethasone", "dorzolamide",
    "erythromycin", "fluorometholone", "ganciclovir", "ketorolac", "latanoprost", "levobunolol", "lifitegrast",
    "loteprednol", "moxifloxacin", "nepafenac", "ofloxacin", "olopatadine", "pilocarpine", "ranibizumab", "tafluprost",
    "timolol", "tobramycin", "travoprost",
)  # fmt: skip

CLINIC_KINDS = ("Eye Clinic", "Eye Hospital", "Vision Centre", "Eye Institute", "Eye Practice")

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
