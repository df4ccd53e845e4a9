"""Pairs that differ by one word whose other meaning makes another question of it, in four domains; and paraphrases.

They were written against the lists of synonyms and frames: each word of those that has a second meaning is tried in it.
"""

from __future__ import annotations

LAW = """
How do I clean up my act? | How do I clean up an act?
Is a PhD a doctor? | Is a PhD a physician?
How do I execute a will? | How do I run a will?
What are the benefits of unemployment? | What are the advantages of unemployment?
How long does a check take to clear? | How long does a cheque take to clear?
Can I record a call? | Am I allowed to record a call?
What makes a contract binding? | Why is a contract binding?
How do I find my father? | How do I find a father?
How do you calculate your fees? | How do I calculate my fees?
Where is the staff directory? | Where is the staff folder?
How do I quit a job? | How do I stop a job?
How do I give up a child? | How do I stop a child?
Can I throw out a tenant? | Can I throw away a tenant?
Do I need insurance for a bike? | Do I need insurance for a bicycle?
How long do I have to appeal? | How long should I appeal?
How long should I wait? | How long do I have to wait?
What is the reason for a curfew? | What causes a curfew?
Is the grant revocable? | Is the grant irrevocable?
Can the lessor end the lease? | Can the lessee end the lease?
Is the mortgagee liable? | Is the mortgagor liable?
Can my attorney sell my house? | Can my lawyer sell my house?
What is a libel suit? | What is a liable suit?
Was the evidence admitted? | Was the evidence omitted?
Can a guardian of a minor sell land? | Can a guardian of a miner sell land?
Is arson a crime in civil law? | Is arson a crime in criminal law?
"""
MEDICINE = """
How do I reduce a fracture? | How do I lower a fracture?
How do I raise a premature baby? | How do I increase a premature baby?
Should I study medicine? | Should I study medication?
How do I check a pulse? | How do I verify a pulse?
How do I get a virus? | How do I acquire a virus?
How do I change a dressing? | How do I modify a dressing?
What is the ileum? | What is the ilium?
What is the peroneal nerve? | What is the perineal nerve?
Is dysphagia a sign of stroke? | Is dysphasia a sign of stroke?
Does it affect adduction? | Does it affect abduction?
What causes palpation? | What causes palpitation?
Is the drug given intrathecally? | Is the drug given intravenously?
Is oral mucositis painful? | Is aural mucositis painful?
Is a 2 cm node normal? | Is a 2 mm node normal?
Should my big brother be tested? | Should my large brother be tested?
How much is 5 ml of syrup? | How much does 5 ml of syrup cost?
Is the patient inpatient? | Is the patient impatient?
What is the afferent arteriole? | What is the efferent arteriole?
Is it safe to run a fever of 40? | Is it safe to execute a fever of 40?
How many drops per minute? | How many drops per hour?
Do I take it on an empty stomach? | Do I take it on a full stomach?
What does my meter show? | What does my metre show?
"""
COOKING = """
How hot is a jalapeno? | What is the temperature of a jalapeno?
How much is a cup of butter? | How much does a cup of butter cost?
How do I reduce a sauce? | How do I lower a sauce?
How do I make my bed? | How do I create my bed?
How do I raise chickens? | How do I increase chickens?
How do I remove film from a pan? | How do I remove a movie from a pan?
How do I check luggage with wine? | How do I verify luggage with wine?
How do I change the oil? | How do I modify the oil?
Is cab served warm? | Is taxi served warm?
Do I sift before measuring? | Do I sift after measuring?
Do I chop it roughly? | Do I chop it approximately?
Is a dry rub enough? | Is a wet rub enough?
Is it baked covered? | Is it baked uncovered?
How do I poach an egg? | How do I coddle an egg?
How do I temper chocolate? | How do I melt chocolate?
Does cilantro go with fish? | Does coriander seed go with fish?
Is corn starch the same as corn flour? | Is corn syrup the same as corn flour?
Can I use salted butter? | Can I use unsalted butter?
How long does it keep in the fridge? | How long does it keep in the freezer?
What is the smoke point of refined oil? | What is the smoke point of unrefined oil?
Do I whisk egg whites? | Do I whisk egg yolks?
How do I thicken a soup? | How do I thin a soup?
How do I skim the stock? | How do I skin the stock?
"""
PROGRAMMING = """
How does garbage collection work? | How does trash collection work?
How do I erase a disk? | How do I remove a disk?
How do I raise an exception? | How do I increase an exception?
How do you get your training data? | How do I get my training data?
How do I find my phone? | How do I find a phone?
How do you make decisions? | How do I make decisions?
Can I delete a branch? | Am I allowed to delete a branch?
What makes a function pure? | Why is a function pure?
What is a smart contract? | What is a clever contract?
How do I share the docs? | How do I share the documentation?
Are heights normally distributed? | Are heights usually distributed?
Is a static method inherited? | Is a class method inherited?
How do I pass by value? | How do I pass by reference?
Is a deep copy made? | Is a shallow copy made?
What is a blocking call? | What is a non-blocking call?
How do I left pad a string? | How do I right pad a string?
How do I fetch all rows? | How do I fetch any rows?
Is the array zero-based? | Is the array one-based?
Is the index unique? | Is the index non-unique?
What is authentication? | What is authorization?
How do I stage a file? | How do I unstage a file?
Does the parent wait? | Does the child wait?
How do I cast an int to a float? | How do I cast a float to an int?
"""
DOUBLE_MEANINGS = [
    tuple(line.split(" | ")) for lines in (LAW, MEDICINE, COOKING, PROGRAMMING) for line in lines.strip().splitlines()
]
MORE_PARAPHRASES = [
    ("How do I reset my router?", "What is the best way to reset my router?"),
    ("How do I contest a parking ticket?", "What steps should I follow to contest a parking ticket?"),
    ("What is a power of attorney?", "What does power of attorney mean?"),
    ("Who drafted the Magna Carta?", "By whom was the Magna Carta drafted?"),
    ("What are the symptoms of anemia?", "Which symptoms does anemia have?"),
    ("How can I reduce swelling?", "How do I reduce swelling?"),
    ("How long should I cook rice?", "For how long should I cook rice?"),
    ("How many calories are in an avocado?", "How many calories does an avocado have?"),
    ("Is it safe to eat raw eggs?", "Are raw eggs safe to eat?"),
    ("What is the difference between jam and jelly?", "How does jam differ from jelly?"),
    ("How do I undo the last commit in git?", "In git, how do I undo the last commit?"),
    ("How do I reverse a string in Python?", "How can I reverse a Python string?"),
    ("What does idempotent mean?", "Define idempotent."),
    ("How often should I water basil?", "How frequently should I water basil?"),
    ("What is the boiling point of ethanol?", "At what temperature does ethanol boil?"),
    ("Must I file taxes?", "Do I have to file taxes?"),
]
