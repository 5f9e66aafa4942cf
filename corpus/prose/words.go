package prose

// Word lists that all themes share.

const commonNouns = "morning evening afternoon journey story reason accident promise secret rumour habit plan quarrel mistake memory visitor stranger friend brother sister father mother child/children daughter son nephew niece servant apprentice master widow traveller idea dream custom feast holiday fortune problem surprise warning danger answer silence voice shadow corner room house garden road village hill field box bag picture photograph list paper gift ring watch chain stick stone fire light noise smell colour shape number name word sentence sign trace step hand face shoulder eye ear heart chair table bed fact detail example choice chance event arrangement discovery collection piece pair heap row circle line edge end middle top side half/halves beginning rest"

const abstractNouns = "patience courage honesty luck grief pride kindness hunger curiosity hope envy wisdom caution loyalty boredom justice mercy comfort fear joy silence trust gratitude doubt ambition friendship freedom poverty beauty duty order peace haste sleep laughter anger shame wonder regret relief skill memory thrift generosity discipline ignorance faith love labour custom fashion industry trade weather distance time money music medicine progress harmony solitude mischief gossip evidence experience knowledge imagination strength health age youth truth"

const commonVerbs = "find/found take/took/taken bring/brought keep/kept lose/lost give/gave/given show/showed/shown want need watch remember forget/forgot/forgotten carry lift hold/held drop+ push pull touch notice describe mention praise blame choose/chose/chosen refuse accept borrow return offer promise admire fear enjoy dislike examine count sort hide/hid/hidden steal/stole/stolen share break/broke/broken fix clean paint cover open shut/shut cut/cut mark leave/left reach pass follow meet/met visit greet help warn thank trust doubt question ignore replace collect gather arrange move turn hear/heard see/saw/seen smell draw/drew/drawn write/wrote/written read/read sell/sold buy/bought earn spend/spent save waste plan+ finish start prepare expect imagine study"

const plainVerbs = "wait laugh sleep/slept listen sigh smile wander hesitate nod+ shiver whisper travel+ rest linger argue work dance kneel/knelt stumble cough blush yawn weep/wept grumble vanish arrive return stay wake/woke/woken sit/sat stand/stood run/ran/run swim/swam/swum hurry pause tremble frown complain change grow/grew/grown agree fall/fell/fallen rise/rose/risen shout lie/lay/lain fidget retire depart doze reflect giggle shrug+ apologise"

const commonAdjectives = "old new small large little great long short tall broad heavy light dark bright pale quiet loud strange plain fine poor rich good bad young early late clean dirty dry wet hot cold warm cool soft hard rough smooth sharp dull round square flat hollow empty full open closed broken whole cheap dear common rare useful useless careful careless happy sad angry calm proud humble brave timid kind cruel honest sly lazy busy tired hungry thirsty sick healthy strong weak quick slow simple odd ordinary splendid modest enormous tiny thin thick deep shallow straight bent famous unknown lost missing precious worthless silent solid fragile beautiful ugly curious dreadful pleasant peculiar familiar foreign local private public borrowed forgotten unlucky favourite"

const adverbs = "slowly quickly quietly loudly carefully carelessly gently roughly suddenly gradually eagerly reluctantly happily sadly angrily calmly proudly politely rudely secretly openly boldly timidly patiently impatiently neatly badly well easily barely nearly almost often seldom twice again already soon later early together alone outside inside upstairs downhill everywhere abroad clumsily cheerfully gravely solemnly warmly coldly firmly softly honestly wisely foolishly stubbornly gladly silently thoroughly hastily lazily anxiously awkwardly bravely briefly curiously faithfully fiercely generously gracefully helplessly idly innocently kindly meekly nervously promptly stiffly tenderly thoughtfully wearily wildly"

const colourNames = "red blue green yellow white black grey brown scarlet crimson violet purple orange pink amber ivory silver golden copper turquoise emerald maroon indigo lilac olive ochre russet cream azure charcoal coral saffron chestnut mustard plum rust teal tan vermilion cobalt"

const tradeNames = "carpenter baker smith weaver potter miller cooper tailor cobbler saddler mason thatcher glazier tanner dyer farmer shepherd fisherman sailor pilot ferryman innkeeper brewer butcher grocer fishmonger apothecary doctor surgeon midwife nurse teacher clerk lawyer judge notary librarian printer bookbinder painter sculptor musician piper fiddler actor juggler dancer poet astronomer clockmaker locksmith goldsmith engraver gardener beekeeper forester hunter miner quarryman engineer mechanic driver porter postmaster courier merchant pedlar banker tax-collector surveyor mapmaker shipwright sailmaker ropemaker candlemaker soapmaker glassblower bricklayer plasterer roofer chimney-sweep lamplighter watchman soldier captain ranger cook gravedigger barber hatter glover lacemaker basketmaker wheelwright"

const petNames = "cat dog goat parrot donkey pony hen goose tortoise rabbit owl raven ferret hedgehog mule falcon canary monkey fox toad otter piglet lamb jackdaw"

// Ingredients of dishes.
const foodNames = "plum onion bean lentil mushroom trout eel herring goose rabbit leek cabbage turnip pear quince cherry rhubarb walnut almond chestnut pumpkin spinach potato carrot barley oat cheese bacon ham duck crab oyster apple apricot blackberry gooseberry fig lemon honey ginger cinnamon pepper mustard sage parsley garlic beetroot celery"

const dishNames = "soup pie stew porridge pancake dumpling pudding omelette roast broth tart salad curry sausage cheese bread biscuit jam chutney custard fritter casserole noodle cake"

const placeKinds = "town village city hamlet port island valley parish district settlement fishing-village market-town province farmstead abbey fort crossing mining-town spa seaport"

const landmarks = "bridge tower mill chapel lighthouse market inn well fountain gate school library hospital quarry harbour orchard castle station observatory theatre prison brewery windmill monument bakery"

const belongingNames = "boat coat door hat scarf cart kite umbrella lantern bicycle wagon fence shutter trunk banner canoe tent sledge cloak piano"

const instruments = "fiddle flute harp drum lute trumpet horn banjo cello organ viola whistle bagpipe accordion guitar piano"

const illnesses = "fever cough gout toothache rheumatism hiccups headache earache measles insomnia lumbago hay-fever"

const monthNames = "January February March April May June July August September October November December"

const dayNames = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"

const numberWords = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty"

const feelings = "glad sorry afraid certain surprised sure angry proud ashamed grateful amused puzzled relieved worried delighted disappointed"

const saySet = "said replied answered whispered muttered added insisted admitted explained shouted observed remarked suggested protested agreed"

const units = "mile yard pound ounce barrel gallon bushel crate dozen acre fathom sack"
