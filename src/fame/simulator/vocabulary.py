"""What simulated posts are about: categories with their published shares, concepts, topics, words.

Every word is English and in the vocabulary of GloVe 6B, so that real text features see it. No word
stands twice, neither in two topics nor in a topic and among the concepts.
"""

# Category -> share of the training posts (as published), then subcategory -> its concepts.
CATEGORY_SHARES = {
    "Travel&Active&Sports": 21.75,
    "Holiday&Celebrations": 17.92,
    "Fashion": 16.13,
    "Entertainment": 9.68,
    "Social&People": 7.64,
    "Whether&Season": 6.64,  # the challenge's own spelling
    "Animal": 6.54,
    "Food": 5.47,
    "Urban": 5.00,
    "Electronics": 1.84,
    "Family": 1.40,
}

CONCEPTS = {
    "Travel&Active&Sports": {
        "Ball Games": "basketball baseball football soccer volleyball rugby cricket golf handball",
        "Water Sports": "swimming diving rowing kayak canoe sailing surfing snorkeling wakeboard",
        "Winter Sports": "skiing snowboard hockey skating curling sledge biathlon slalom luge",
        "Hiking, Camping": "hiking camping backpack trail tent campfire hiker wilderness summit",
        "Cycling": "bicycle cyclist tandem peloton helmet bike velodrome pedal unicycle",
        "Beach": "beach island lagoon resort palm hammock seashore coral boardwalk",
        "Fitness": "gym yoga running marathon boxing wrestling gymnastics karate fencing",
    },
    "Holiday&Celebrations": {
        "Christmas": "christmas santa ornament reindeer mistletoe sleigh stocking wreath carol",
        "Halloween": "halloween pumpkin costume witch skeleton vampire zombie ghost monster",
        "Wedding": "wedding bride groom bouquet bridesmaid bridal honeymoon veil ceremony",
        "Birthday": "birthday balloon candle confetti cupcake present invitation gift surprise",
        "Carnival": "carnival mask samba parade float masquerade clown fair circus",
        "New Year": "fireworks countdown champagne lantern sparkler toast resolution firecracker",
        "Thanksgiving": "thanksgiving turkey cranberry cornucopia feast harvest gratitude reunion",
    },
    "Fashion": {
        "Dresses": "dress gown skirt blouse kimono tunic sari petticoat robe",
        "Shoes": "shoes boots sneakers sandals heels slippers stiletto loafers moccasins",
        "Jewelry": "jewelry necklace bracelet earring pendant diamond brooch tiara gemstone",
        "Makeup": "makeup lipstick mascara eyeliner cosmetics perfume nail blush manicure",
        "Hair": "hair hairstyle braid ponytail beard wig curls barber moustache",
        "Runway": "model catwalk designer couture glamour stylist vogue mannequin tailor",
        "Accessories": "handbag scarf sunglasses hat belt gloves purse umbrella necktie",
    },
    "Entertainment": {
        "Concerts": "concert guitar drummer singer microphone orchestra festival bassist rapper",
        "Cinema": "movie cinema actor actress premiere director film trailer hollywood",
        "Theatre": "theatre ballet opera stage puppet musical dancer playwright comedian",
        "Games": "videogame chess poker puzzle dice arcade console casino billiards",
        "Cosplay": "cosplay anime superhero manga batman comics villain cartoon",
        "Toys": "toy lego doll robot teddy plush figurine kite marbles",
        "Dance": "tango salsa waltz ballroom breakdance flamenco disco swing choreography",
    },
    "Social&People": {
        "Portraits": "portrait face headshot gaze profile dimples smirk freckles silhouette",
        "Girls": "girl woman lady teenager blonde brunette redhead maiden sister",
        "Men": "man boy gentleman guy bloke fellow lad chap brother",
        "Friends": "friends party picnic gathering companion roommate classmate neighbor",
        "Workers": "worker farmer fisherman mechanic carpenter firefighter policeman chef plumber",
        "Crowds": "crowd audience spectators queue rally pedestrian commuter tourists bystander",
        "Tattoos": "tattoo piercing ink goth punk hipster graffiti biker",
    },
    "Whether&Season": {
        "Rain": "rain storm thunder lightning drizzle puddle downpour raindrop flood",
        "Snow": "snowman icicle snowflake blizzard snowfall avalanche hail sleet slush",
        "Clouds": "cloud sky overcast cumulus cirrus stratus monsoon humidity nimbus",
        "Sunshine": "sunshine sunny heat summer sunlight drought solstice warmth",
        "Fall": "foliage maple acorn november chestnut hay leaf equinox squash",
        "Spring": "april meadow seedling daffodil butterfly thaw bud sprout rosebud",
        "Rainbow": "rainbow aurora halo eclipse tornado hurricane cyclone whirlwind",
    },
    "Animal": {
        "Dogs": "dog puppy terrier bulldog poodle retriever collie hound spaniel",
        "Cats": "cat kitten tabby siamese whiskers paw feline persian calico",
        "Birds": "bird owl eagle heron swan parrot sparrow pelican robin",
        "Wildlife": "lion tiger elephant giraffe zebra leopard bear wolf rhinoceros",
        "Insects": "insect bee dragonfly beetle spider ladybug moth grasshopper ant",
        "Sea Life": "dolphin whale shark turtle jellyfish octopus seal penguin lobster",
        "Farm": "horse cow sheep goat pig chicken donkey rooster pony",
    },
    "Food": {
        "Desserts": "cake chocolate cookie pudding pastry dessert brownie pie macaroon",
        "Fruit": "apple banana strawberry orange grape mango peach cherry pineapple",
        "Drinks": "coffee tea wine beer cocktail juice whiskey lemonade espresso",
        "Meat": "steak bacon sausage barbecue hamburger ham roast meatball lamb",
        "Asian Cuisine": "sushi noodles ramen curry rice dumpling tofu kimchi wok",
        "Vegetables": "salad tomato carrot potato onion mushroom spinach cabbage broccoli",
        "Breakfast": "bread pancake omelette cereal toaster croissant bagel waffle jam",
    },
    "Urban": {
        "Skylines": "skyline skyscraper tower downtown metropolis rooftop cityscape antenna spire",
        "Streets": "street alley crosswalk sidewalk pavement avenue boulevard lamppost cobblestone",
        "Bridges": "bridge tunnel viaduct aqueduct overpass footbridge arch pier",
        "Transit": "subway tram bus taxi escalator metro trolley monorail",
        "Buildings": "building apartment house facade balcony staircase window doorway chimney",
        "Monuments": "monument statue fountain obelisk memorial plaza sculpture museum",
        "Decay": "ruins warehouse abandoned factory rust scaffolding derelict demolition",
    },
    "Electronics": {
        "Cameras": "camera tripod camcorder polaroid webcam viewfinder flashlight battery",
        "Computers": "computer laptop keyboard monitor processor printer motherboard mouse server",
        "Phones": "phone smartphone iphone telephone headset charger tablet voicemail",
        "Audio": "headphones speaker radio turntable amplifier stereo synthesizer cassette",
        "Television": "television remote projector broadcast satellite screen cable hologram",
        "Gadgets": "drone gadget calculator watch thermostat robotics sensor joystick",
        "Circuits": "circuit transistor wire solder capacitor diode voltage microchip",
    },
    "Family": {
        "Babies": "baby infant newborn toddler crib stroller diaper pacifier",
        "Children": "child kid playground swingset sandbox kindergarten daughter son",
        "Parents": "mother father mom dad parent stepfather husband wife",
        "Grandparents": "grandmother grandfather grandpa grandma grandson granddaughter elder",
        "Home": "home kitchen bedroom sofa fireplace porch bathroom attic",
        "Siblings": "twins triplets cousin nephew niece uncle aunt sibling",
        "Pets": "hamster rabbit goldfish aquarium leash canary guinea terrarium",
    },
}

# Themes that any category may have; what popularity the words carry, they carry through these.
TOPICS = (
    "sunset dusk golden horizon glow twilight evening amber crimson afterglow sundown radiance",
    "fog mist haze dawn dew morning sunrise misty hazy daybreak vapor foggy",
    "night midnight moon stars neon darkness moonlight nocturnal starry galaxy constellation comet",
    "snow ice frost frozen winter cold icy glacier snowy freezing arctic chill",
    "autumn october leaves brown orchard vineyard barn september rustic cider scarecrow hayfield",
    "flower blossom tulip rose petal bloom garden orchid daisy lily sunflower lavender",
    "ocean waves sea tide shore surf reef coastal cliff lighthouse coastline seaside",
    "forest pine moss woods tree oak fern woodland timber branch evergreen grove",
    "desert sand dune cactus canyon camel oasis arid mesa nomad sahara caravan",
    "vintage antique retro nostalgia old classic heirloom sepia relic bygone collectible",
    "love kiss romance heart valentine passion sweetheart tender beloved darling romantic",
    "lonely sorrow sad grief tears pain despair mourning farewell regret broken solitude",
    "happy joy smile laughter fun cheerful delight playful giggle merry bliss wonderful",
    "soldier army tank war military battle veteran troops uniform navy infantry combat",
    "church prayer temple cathedral chapel monk shrine altar faith monastery priest mosque",
    "school classroom teacher student exam lesson homework college university graduation campus",
    "science laboratory experiment physics chemistry microscope molecule research biology atom",
    "election protest politics senator government vote president campaign parliament congress",
    "money bank market price sale investment stocks trade dollar profit finance business",
    "hospital nurse doctor medicine surgery patient clinic ambulance therapy disease pharmacy",
    "train railway locomotive station railroad wagon freight tracks steam conductor platform",
    "car engine racing motor wheel vehicle turbo garage convertible automobile chassis driver",
    "airplane runway pilot aviation jet aircraft airport cockpit flight helicopter glider",
    "boat harbor ship anchor sailor yacht ferry dock marina vessel mast captain",
    "castle queen palace king royal throne prince princess crown medieval knight fortress",
    "symmetry geometry lines abstract pattern curve shape minimal angle circle grid spiral",
    "lens aperture exposure shutter macro focus zoom telephoto flash photography darkroom",
    "trophy champion victory winner medal league tournament playoff coach score stadium athlete",
)

# Words without popularity that fill up titles and tags.
FILLERS = (
    "the a my in on with at from of and this for our another some one first last day view time "
    "small big new little here there again near around about"
)
TAG_FILLERS = (
    "nikon canon sony photo image picture flickr digital europe america london paris california "
    "japan canada australia germany italy spain france 2015 weekend project album series"
)

# Titles and endings as people write them elsewhere; none of their words carries popularity.
FOREIGN_TITLES = (
    "שקיעה מעל הים",
    "غروب الشمس على البحر",
    "夕暮れの海と富士山",
    "Прогулка по старому городу",
    "Überraschung in der Straßenbahn",
    "ทะเลยามเช้า",
    "서울의 가을",
    "Mañana será otro día…",
)
EMOJI = ("🌅", "❤️", "😂👍🏽", "👩‍👩‍👧‍👦", "🇧🇷", "✨📷✨")
