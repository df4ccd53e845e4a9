"""More than two hundred pairs that mean different things, most in four domains, and fifteen that mean the same.

Most differ by one word, which is what an embedding does not see.
"""

from __future__ import annotations

MEDICAL = """
What foods should I avoid with hypertension? | What foods should I avoid with hypotension?
How is hyperglycemia treated? | How is hypoglycemia treated?
What are the symptoms of hyperthyroidism? | What are the symptoms of hypothyroidism?
Can I take ibuprofen? | Can I take ibuprofen if I am pregnant?
Can I take ibuprofen with a cold? | Can I take ibuprofen with a cold while pregnant?
Is 5 mg of warfarin a normal dose? | Is 50 mg of warfarin a normal dose?
Is 5 mg of warfarin a normal dose? | Is 5 mcg of warfarin a normal dose?
Is 0.5 mg of lorazepam safe? | Is 5 mg of lorazepam safe?
My left arm hurts. Should I worry? | My right arm hurts. Should I worry?
I have pain in my upper abdomen. What is it? | I have pain in my lower abdomen. What is it?
Should I eat before the blood test? | Should I eat after the blood test?
My mother has diabetes. Will I get it? | My father has diabetes. Will I get it?
My brother has color blindness. Do I carry it? | My sister has color blindness. Do I carry it?
Can I give aspirin to my child? | Can I give aspirin to my mother?
Is it safe to take Celebrex daily? | Is it safe to take Celexa daily?
What is hydroxyzine for? | What is hydralazine for?
What is the dose of prednisone? | What is the dose of prednisolone?
What is the dose of clonidine? | What is the dose of clonazepam?
Take it at 8 am or not at all? | Take it at 8 pm or not at all?
Should I take it at 6 a.m.? | Should I take it at 6 p.m.?
Is a temperature of 39 C dangerous? | Is a temperature of 39 F dangerous?
Does smoking cause asthma? | Does smoking not cause asthma?
Is it safe to mix bleach and water? | Is it unsafe to mix bleach and water?
Is the tumor benign? | Is the tumor malignant?
How is acute bronchitis treated? | How is chronic bronchitis treated?
What causes high cholesterol? | What causes low cholesterol?
What is the treatment for type 1 diabetes? | What is the treatment for type 2 diabetes?
How is hepatitis B transmitted? | How is hepatitis C transmitted?
Can children take melatonin? | Can adults take melatonin?
Can infants drink water? | Can toddlers drink water?
How do I treat a burn on the hand? | How do I treat a burn on the foot?
How do I remove an ear infection? | How do I remove an eye infection?
What are signs of a stroke? | What are signs of a heart attack?
Is it arterial bleeding? | Is it venous bleeding?
Take two tablets once a day, is that right? | Take two tablets twice a day, is that right?
Can I take one tablet? | Can I take tablets?
How many times a week can I take it? | How many times a day can I take it?
Can I drive after taking Benadryl? | Can I drive before taking Benadryl?
Should I take it with food? | Should I take it without food?
Is an MRI safe with a pacemaker? | Is a CT scan safe with a pacemaker?
What is the survival rate at stage II? | What is the survival rate at stage III?
Does estrogen raise the risk of clots? | Does progesterone raise the risk of clots?
Can a virus cause a bacteria infection? | Can bacteria cause a virus infection?
How do I increase my heart rate? | How do I decrease my heart rate?
How do I stop the medication? | How do I start the medication?
Does zinc help with absorption of copper? | Does copper help with absorption of zinc?
What should a nurse tell the doctor? | What should a doctor tell the nurse?
Should I switch from Zoloft to Prozac? | Should I switch from Prozac to Zoloft?
Which vaccines are required for infants except polio? | Which vaccines are required for infants including polio?
Can I breastfeed on antibiotics? | Can I breastfeed on antidepressants?
"""
LAW_AND_MONEY = """
Can a landlord evict a tenant without notice? | Can a tenant evict a landlord without notice?
Can my employer sue me? | Can I sue my employer?
Is the buyer liable for the defect? | Is the seller liable for the defect?
What does the plaintiff have to prove? | What does the defendant have to prove?
What is the penalty for murder? | What is the penalty for manslaughter?
What is the sentence for theft? | What is the sentence for robbery?
Is this clause enforceable? | Is this clause unenforceable?
Can I break a lease in California? | Can I break a lease in Colorado?
Must I report the income? | May I report the income?
Do I have to pay tax on gifts? | Do I not have to pay tax on gifts?
How do I convert 100 dollars to euros? | How do I convert 100 euros to dollars?
How much is 100 USD? | How much is 100 AUD?
Is $500 taxable? | Is £500 taxable?
What was the inflation rate in 2021? | What was the inflation rate in 2022?
What is the deadline of April 15 for? | What is the deadline of April 16 for?
Is the contract signed on 01/02/2023 valid? | Is the contract signed on 02/01/2023 valid?
What is a fixed rate mortgage? | What is a variable rate mortgage?
What is a Roth IRA? | What is a traditional IRA?
Should I buy stocks? | Should I sell stocks?
What are assets? | What are liabilities?
How do I calculate gross income? | How do I calculate net income?
What is the short term capital gains tax? | What is the long term capital gains tax?
Is interest on a loan deductible? | Is interest on a deposit deductible?
What happens if I pay early? | What happens if I pay late?
Can I withdraw money before age 59? | Can I withdraw money after age 59?
Who inherits if there is a will? | Who inherits if there is no will?
Does my wife inherit the house? | Does my daughter inherit the house?
Can a minor sign a contract? | Can an adult sign a contract?
Can my ex-husband get custody? | Can my ex-wife get custody?
What is a felony? | What is a misdemeanor?
What is the statute of limitations for libel? | What is the statute of limitations for slander?
How do I register a trademark? | How do I register a patent?
What does copyright protect? | What does a patent protect?
Is a verbal agreement binding? | Is a written agreement binding?
What is the difference between LLC and LLP? | What is the difference between LLC and LLD?
Who was the director of the agency? | Who is the director of the agency?
How do I form a company in Delaware? | How do I dissolve a company in Delaware?
Can I appeal a guilty verdict? | Can I appeal a not guilty verdict?
Is it legal to record a call? | Is it safe to record a call?
Are tips included in wages? | Are tips excluded from wages?
What is the maximum contribution? | What is the minimum contribution?
Are the first 3 months free? | Are the last 3 months free?
When is rent due, the 1st or the 5th? | When is rent due, the 1st or the 15th?
Is 1.5% a good rate? | Is 15% a good rate?
How do I dispute a charge? | How do I dispute a refund?
Can the bank freeze my account? | Can the bank close my account?
Did Smith v. Jones overrule the case? | Did Jones v. Smith overrule the case?
Is 401k income taxed federally? | Is 401k income taxed locally?
Summarize the duties of the trustee. | Summarize the duties of the beneficiary.
How is a sole proprietor taxed? | How is a partnership taxed?
"""
HOME_AND_TRAVEL = """
How long do I boil an egg? | How long do I fry an egg?
Can I use baking soda instead? | Can I use baking powder instead?
How many grams are in a cup of flour? | How many grams are in a cup of sugar?
How many teaspoons are in a tablespoon? | How many tablespoons are in a teaspoon?
Do I bake it at 180 C? | Do I bake it at 180 F?
A recipe for lasagna with meat | A recipe for lasagna without meat
Is the recipe gluten free? | Is the recipe sugar free?
Can dogs eat chocolate? | Can cats eat chocolate?
Can dogs eat grapes? | Can dogs eat apples?
How do I remove red wine stains? | How do I remove white wine stains?
How do I wash wool? | How do I wash silk?
How do I fly from Paris to Rome? | How do I fly from Rome to Paris?
What is the first train to Lyon? | What is the last train to Lyon?
Is the museum open on Monday? | Is the museum open on Sunday?
Is the shop open at 9 am? | Is the shop open at 9 pm?
What is the capital of Slovakia? | What is the capital of Slovenia?
What is the capital of Niger? | What is the capital of Nigeria?
What is the weather in Sydney in January? | What is the weather in Sydney in July?
Do I need a visa for Austria? | Do I need a visa for Australia?
How much does a one-way ticket cost? | How much does a round-trip ticket cost?
Is breakfast included? | Is dinner included?
Which hotel is the cheapest in Rome? | Which hotel is the most expensive in Rome?
How far is Dublin, Ireland from here? | How far is Dublin, Ohio from here?
Should I turn left at the light? | Should I turn right at the light?
Who wrote War and Peace? | Who wrote Crime and Punishment?
Who is taller, Anna or Maria? | Who is taller, Anna or Mario?
What did Tom give Anna? | What did Anna give Tom?
When does summer start in Chile? | When does summer end in Chile?
How do I keep milk fresh for 2 days? | How do I keep milk fresh for 2 weeks?
How do I freeze bread? | How do I thaw bread?
How do I open the oven door? | How do I close the oven door?
How do I heat the house? | How do I cool the house?
What plants grow in shade? | What plants grow in sun?
How often do I water an indoor fern? | How often do I water an outdoor fern?
How tall is the Eiffel Tower? | How old is the Eiffel Tower?
Where is the nearest pharmacy? | Where is the nearest bakery?
Can I bring liquids in hand luggage? | Can I bring liquids in checked luggage?
Can I return in 5 days? | Can I return for 5 days?
Is tap water safe in Mexico? | Is tap water unsafe in Mexico?
Which countries border France? | Which countries do not border France?
Name 5 dishes with rice | Name 5 dishes with beans
What should I pack for a week? | What should I pack for a weekend?
How do I cook chicken breast? | How do I cook chicken thighs?
Is a few days enough? | Is few days enough?
What wine goes with fish? | What wine goes with beef?
How do I say sister in Spanish? | How do I say daughter in Spanish?
How do I say good morning in Danish? | How do I say good evening in Danish?
How do you feel? | How do I feel?
Can you see me? | Can I see you?
Is the pool open all day? | Is the pool open every day?
"""
SOFTWARE = """
How do I convert JSON to XML? | How do I convert XML to JSON?
How do I delete a local branch? | How do I delete a remote branch?
How do I undo a commit? | How do I undo a merge?
How do I merge a branch? | How do I rebase a branch?
What is the difference between GET and POST? | What is the difference between PUT and POST?
How do I sort ascending in Python? | How do I sort descending in Python?
How do I sort a list in Python? | How do I sort a list in Java?
How do I sort a list in Python? | How do I sort a tuple in Python?
How do I sort a list in Python? | How do I sort lists of lists in Python?
How do I install Python 3.11? | How do I install Python 3.12?
What is new in Django 4.2? | What is new in Django 5.2?
Is port 80 open? | Is port 8080 open?
How do I call C from Python? | How do I call Python from C?
How do I migrate from MySQL to PostgreSQL? | How do I migrate from PostgreSQL to MySQL?
How do I enable CORS? | How do I disable CORS?
How do I start the server? | How do I stop the server?
How do I encrypt a file? | How do I decrypt a file?
How do I open a socket? | How do I close a socket?
How do I read a file line by line? | How do I write a file line by line?
What does SIGTERM do? | What does SIGKILL do?
What is a process? | What is a thread?
What is a mutex? | What is a semaphore?
What is the default timeout in seconds? | What is the default timeout in minutes?
How many bytes are in 1 MB? | How many bytes are in 1 Mb?
What does user_id mean? | What does userId mean?
What is a String in Java? | What is a string in Java?
Is null equal to 0? | Is null equal to 1?
Why is my test passing? | Why is my test failing?
What is the best case of quicksort? | What is the worst case of quicksort?
What is the upper bound? | What is the lower bound?
Does it run on Windows? | Does it run on Linux?
Does it work with IPv4? | Does it work with IPv6?
How do I push to main? | How do I pull from main?
Why does the child process kill the parent? | Why does the parent process kill the child?
Is a class an object? | Is an object a class?
Should I validate before saving? | Should I validate after saving?
What does git reset --soft do? | What does git reset --hard do?
How do I drop a table? | How do I delete a table?
How do I truncate a table? | How do I drop a table?
What is a left join? | What is a right join?
What is an inner join? | What is an outer join?
Is the cache thread safe? | Is the cache not thread safe?
How do I block all users except admins? | How do I block all users and admins?
How do I encode a URL? | How do I decode a URL?
How do I add an index? | How do I remove an index?
What is HTTP status 401? | What is HTTP status 403?
What is port forwarding? | What is port scanning?
Is Redis faster than Postgres? | Is Postgres faster than Redis?
Can docker run inside linux? | Can linux run inside docker?
Does the client retry the server? | Does the server retry the client?
"""
PUT_ALIKE = """
How do I look? | How do you look?
How do you work? | How do I work?
How can you help me? | How can I help you?
What is the cost of living? | How much is living?
What is the director of X? | Who directed X?
How do I treat a cold? | How should I not treat a cold?
How long does it take to heal? | How long do I heal?
How long should I wait? | How long must I wait?
What is wrong? | What does wrong mean?
What are the benefits of children? | What are the benefits for children?
Can I sue my doctor? | Can my doctor sue me?
Do I need a lawyer? | Does a lawyer need me?
How do I change a tire? | How do I change a tired baby?
What is the difference between my salary and wage? | What is the difference between salary and my wage?
How many cats are on the farm? | How many cats are in the farmer?
Is there gluten in oats? | Are there oats in gluten?
Does Paris contain Rome? | Is there Paris in Rome?
How do I get to Rome? | How do I get from Rome?
How do I get over Anna? | How do I get Anna over?
What makes bread rise? | What does bread make rise?
Why is the dog barking? | Why does the dog bark?
Why do cats hate dogs? | Why do dogs hate cats?
How fast is a cheetah? | How fast is a cheetah allowed to be?
What is the largest city in Asia? | Which city in Asia is the largest exporter?
What is the oldest man? | Who is the oldest man?
Who is the founder? | Who founded it?
When was it signed? | In what year was it not signed?
When did the war start? | When was the war started by?
What time is it? | When is it?
How often do I have to take it? | How often can I take it?
Is a visa required for Japan? | Is a visa required by Japan?
May I go? | Must I go?
Is it legal to drink at 18? | Is it legal to drink at 21?
I need to cancel my flight. How do I do that? | I need to cancel my flight. How do I not do that?
Who was the president of France? | Who is the president of France?
Who is Anna's mother? | Who is mother's Anna?
What's the dog's name? | What's the name's dog?
Is May a good month? | Is may a good month?
Where can I buy a jersey? | Where can I buy a Jersey?
Is it ok to fast? | Is it okay to be quick?
Turn 5 C to F | Turn 5 F to C
Translate hello into French | Translate hello from French
Translate "hello" to French | Translate "Hello" to Spanish
10 - 5 | 10 + 5
What is 3 x 4? | What is 3 / 4?
Write me a poem about dogs | Write me a poem about dogs and cats
List 3 causes of war | List 3 causes of the war in 1914
Show me how to tie a tie | Show me how to untie a tie
Is 1,000 more than 999? | Is 1.000 more than 999?
I'm going at 10 | I'm going at 10?
Who am I? | Who are you?
He said I can go. Is that right? | She said I can go. Is that right?
Is it raining in Paris, Texas? | Is it raining in Paris?
Buy bread or milk? | Buy bread and milk?
What if it rains? | What if it never rains?
Can I take both? | Can I take either?
Should I tell him only that? | Should I only tell him that?
Only nurses may enter | Nurses may only enter
Which drug is better than aspirin? | Which drug is aspirin better than?
How do I stop my dog from barking? | How do I stop from barking at my dog?
How much is $5 in yen? | How much is $5 in yuan?
What is the population of Georgia? | How many people live in Georgia, the country?
Is vitamin a good? | Is vitamin good?
Can you take it? | Can I make it?
What is the use of a will? | What is a will used against?
Should I eat more fiber? | Should I eat less fiber?
How do I boil eggs? | How do I boil an egg?
Did he pay? | Does he pay?
Does he pay? | Will he pay?
How do I remove a user's permission? | How do I remove a permission's user?
Why is my dog sick? | Why is your dog sick?
How do I lower the bed? | How do I raise the bed?
Should I pay him the rent? | Should I pay her the rent?
Can a US citizen work here? | Can us citizens work here?
Is cat 5 better? | Is cat 6 better?
What is in it? | What is it in?
Where does it come from? | Where does it go to?
What is a python? | What is Python?
"""
"""What could be taken for two ways of putting the same question."""
DIFFERENT = {
    name: [tuple(line.split(" | ")) for line in lines.strip().splitlines()]
    for name, lines in {
        "medical": MEDICAL, "law and money": LAW_AND_MONEY, "home and travel": HOME_AND_TRAVEL, "software": SOFTWARE,
        "the way of asking": PUT_ALIKE,
    }.items()
}  # fmt: skip
"""By domain; each pair means different things."""
LETTER = (
    "Dear colleague, thank you for seeing this 54-year-old patient with {}. {} has been treated for six months,"
    " sleeps badly, and asks whether the therapy should be changed. The laboratory values are attached. Please tell"
    " me in two sentences what you would recommend next, and which {} you would order first."
)
LONG = [
    (LETTER.format(*one), LETTER.format(*other))
    for one, other in (
        (("hypertension", "She", "tests"), ("hypotension", "She", "tests")),
        (("hypertension", "She", "tests"), ("hypertension", "He", "tests")),
        (("hypertension", "She", "tests"), ("hypertension", "She is pregnant, and", "tests")),
        (("hypertension", "She", "tests"), ("hypertension", "She", "scans")),
        (("pain in the left knee", "She", "tests"), ("pain in the right knee", "She", "tests")),
    )
]
"""Too long to be compared by meaning."""
PARAPHRASES = [
    ("How do I reset my password?", "What's the way to reset my password?"),
    ("How can I lower my blood pressure?", "What can I do to reduce my blood pressure?"),
    ("Who wrote Hamlet?", "Who is the author of Hamlet?"),
    ("What is the capital of Australia?", "Which city is the capital of Australia?"),
    ("How long should I boil an egg?", "For how long do I need to boil an egg?"),
    ("What is photosynthesis?", "Define photosynthesis."),
    ("How do I reverse a list in Python?", "What is the best way to reverse a Python list?"),
    ("What is the difference between a list and a tuple?", "How does a list differ from a tuple?"),
    ("How much does a passport cost?", "What is the price of a passport?"),
    ("What are the side effects of ibuprofen?", "Which side effects does ibuprofen have?"),
    ("Can I take ibuprofen while pregnant?", "Is it okay to take ibuprofen while pregnant?"),
    ("How many days are in a leap year?", "How many days does a leap year have?"),
    ("How tall is Mount Everest?", "What is the height of Mount Everest?"),
    ("Do I need to renew my visa?", "Do I have to renew my visa?"),
    ("How do I delete a branch in git?", "How can I remove a git branch?"),
]
