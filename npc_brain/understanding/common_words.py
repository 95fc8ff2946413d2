"""Everyday English words that are near to other words in spelling.

Kept so that "have" is not taken for a misspelt "cave", nor "break" for "bread", where no larger word
list is at hand (`SentenceEncoder.common_words` is one).
"""

COMMON_WORDS: frozenset[str] = frozenset(
    """
    able about above across after again against ago alas all almost alone along already also
    although always among angry another answer any anyone anything apart apply are area arm armour
    army around arrive ask asleep away awful baby back bad badly ball band bare barely bark base
    bath bead beam bean bear beard beast beat beautiful because become bed been beer before beg
    begin behind being belief believe bell belong below belt bench bend beneath beside best bet
    better between beyond big bird bit bite bitter black blade blame bless blind block blood blow
    blue boar board boat body bold bone book boot border bore bored born both bottle bottom bowl
    boy brave break breath breathe bride brief bright bring broad broke broken brother brown build
    building burn burnt bury busy but buy call calm came camp can cape car card care careful carry
    cart case cash cast castle cat catch cause cease chain chair chance change charge chase chat
    cheap cheat check cheer chest chicken chief child children choose church circle city claim class
    clean clear clever climb close closed cloth clothes cloud coal coat cold colour come comfort
    common company complain cook cool corner cost cough could count country couple courage course
    court cousin cover cow craft crazy cream creature crime cross crowd cruel cry cup cure curse cut
    daily damage damn dance danger dangerous dare dark daughter dawn day dead deaf deal dear death
    debt decide deep deer defeat demand demon deny desert deserve devil die differ difficult dig
    dinner dirty distance distant dish dog done door doubt down dozen dragon drank draw dream dress
    drink drive drop drunk dry duck due dull dust duty each ear early earn earth easily east easy
    eat edge egg eight either eleven else empty end enemy enjoy enough enter entire escape even
    evening ever every evil exact example except exchange excuse expect expensive eye face fact
    fail faint fair faith fake fall false family famous far farewell farm farmer fast fat father
    fault favour fear feast feed feel feet fell fellow felt fence few field fierce fight figure fill
    final find fine finger finish fire firm first fish fist fit five fix flag flame flat flesh flew
    floor flower fly foe fog folk follow food fool foot for force foreign forest forever forge
    forget forgive forgot fork form former forth fortune forward foul found four fox free fresh
    friend from front fruit full fun funny gain game gang garden gave gear gentle get ghost giant
    gift girl give given glad glass glory goat god goes gold gone good got grab grace grain grand
    grant grass grave great greedy green greet grew grey grief grim ground group grow guess guest
    guide guilty had hair half hall hand handle handy hang happen happy hard hardly harm hasty hat
    hate hatred have hay head heal health heap hear heard heart heat heaven heavy heel held hell
    hello help hen her herd here hero hers herself hide high hill him himself hire hit hold hole
    holy home honest honey honour hood hook hope horn horse host hot hour house how however huge
    human hundred hung hunger hungry hunt hurry hurt husband idea idle idiot ill imagine important
    indeed inn insane inside instead into iron island itself jar job join joke journey joy judge
    juice jump just keep kept kick kid kill kind king kingdom kiss kitchen knee knew knife knight
    knock know known lack lad lady laid lake lamb lame lamp land lane large last late lately later
    laugh law lay lazy lead leaf leak lean learn least leather leave led left leg lend less lesson
    let level liar lid lie life lift light like likely line lion lip list listen little live load
    loan local lock log lone long look lord lose loss lost lot loud love low luck lucky lunch mad
    made madness magic maid main make male man many march mare mark married marry mask mass master
    match mate matter may maybe meal mean meant meat meet men mend mention mercy mere merry mess
    message met middle mighty mild mile milk mind mine minute mirror miss mist mistake mix moan mock
    moment money monk month mood moon more morning most mother mount mountain mouse mouth move mud
    much mug murder music must myself mystery nail name narrow nasty near nearby nearest nearly neat
    neck need neighbour neither nerve never new news next nice night nine noble nobody noise none
    nonsense noon nor north nose not note nothing notice now number nurse oath obey odd off offer
    often old once one only onto open order other ought our out outside oven over owe own pace pack
    page paid pain paint pair pale pan pants paper pardon part party pass past pasture path patience
    pay peace peasant people perfect perhaps person pet pick picture pie piece pig pile pint pipe
    pity place plain plan plant plate play please plenty plough pocket point poison pole polite pond
    poor port possible post pot pound pour power pray prefer prepare present press pretend pretty
    price pride priest prince prison private prize problem promise proof proper protect proud prove
    public pull punish pure purse push put quarter queen quest question quick quickly quiet quite
    race rage rain raise ran rare rat rather reach read ready real really reason rest return reward
    rice rich ride right ring rise river road roam roar roast rob robber robe rock role roll roof
    room root rose rot rotten rough round row royal rub rude ruin rule rumour run rush sack sacred
    sad saddle safe said sail saint sake sale salt same sand sang sat save saw say scare scared scar
    school score scream sea seal search season seat second secret see seed seek seem seen self sell
    send sense sent serious servant serve set seven several shade shadow shake shall shame shape
    share sharp she sheep sheet shelf shell shelter shine ship shirt shock shoe shop shore short
    shot should shoulder shout show shut shy sick side sight sign silence silent silly silver simple
    since sing single sink sir sister sit six size skill skin sky slave sleep slept slice slide slip
    slow slowly small smart smell smile smoke smooth snake snow soap soft soil sold soldier solid
    some someone something sometimes son song soon sore sorrow sorry sort soul sound soup sour south
    space spare speak spear special spell spend spent spice spider spirit spit split spoke spoon
    spot spread spring spy square stable staff stage stair stale stall stand star stare start starve
    state stay steady steal steam steel step steps stick stiff still stole stolen stomach stone
    stood stool stop store storm story stove straight strange stranger straw street strength strike
    string strong stubborn stuck stuff stupid such sudden suffer sugar suit summer sun supper sure
    swear sweat sweet swift swim swear table tail take taken tale talk tall tame task taste taught
    tax tea teach team tear tell temper temple ten tend tender tent terrible test than thank thanks
    that the their them then there these they thick thief thin thing think third thirst thirsty this
    those though thought thousand threat three threw throat through throw thus tide tie tight till
    time tiny tip tired to toast today together told tomb tomorrow tongue tonight too took tool
    tooth top touch tough tower town trade trail train trap travel traveller treasure treat tree
    tribe trick tried trip trouble true truly trust truth try tune turn twelve twenty twice twin two
    ugly uncle under understand unless until upon upset use used useful usual vain valley value very
    victim view village vine visit voice wage wagon wait wake walk wall wander want war warm warn
    warrior was wash waste watch water wave way weak wealth weapon wear weather week weep weigh
    weight welcome well went were west wet what wheat wheel when where whether which while whip
    whisper white who whole whom whose why wicked wide wife wild will win wind window wine wing
    winter wipe wise wish witch with within without witness woke wolf woman women won wonder wood
    wool word words wore work world worm worn worry worse worst worth would wound wrap wreck write
    wrong wrote yard year yell yellow yes yesterday yet yield you young your yours yourself youth
    verb verbs hast gale pale tale sole mole mule pill bill kill mall mail ladle robes ripe taper
    letters bitter butter ladder lather matter latter banter seller teller cellos shielded hammers
    """.split()
)
"""Lower case, base forms for the most part."""
