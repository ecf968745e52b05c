; A gardener tends plants on benches. What a plant lacks shows when it is examined, what a shed keeps when it is entered.
; One portion is carried at a time.
(define (domain greenhouse)
  (:requirements :strips :typing)
  (:types place supply plant - object
          bench shed - place)
  (:predicates
    (gardener-at ?p - place) (grows-on ?x - plant ?b - bench) (lacks ?x - plant ?s - supply) (thrives ?x - plant)
    (keeps ?h - shed ?s - supply) (bucket-empty) (bucket-has ?s - supply))
  (:action walk :parameters (?from - place ?to - place)
    :precondition (and (gardener-at ?from) (not (= ?from ?to)))
    :effect (and (gardener-at ?to) (not (gardener-at ?from))))
  (:action examine :parameters (?x - plant ?b - bench)
    :precondition (and (gardener-at ?b) (grows-on ?x ?b)) :effect (and))
  (:action draw :parameters (?s - supply ?h - shed)
    :precondition (and (gardener-at ?h) (keeps ?h ?s) (bucket-empty))
    :effect (and (bucket-has ?s) (not (bucket-empty))))
  (:action pour-out :parameters (?s - supply)
    :precondition (and (bucket-has ?s))
    :effect (and (bucket-empty) (not (bucket-has ?s))))
  (:action tend :parameters (?x - plant ?s - supply ?b - bench)
    :precondition (and (gardener-at ?b) (grows-on ?x ?b) (lacks ?x ?s) (bucket-has ?s))
    :effect (and (thrives ?x) (bucket-empty) (not (lacks ?x ?s)) (not (bucket-has ?s)))))
